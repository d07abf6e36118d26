"""What a learner reads and types: tasks and hints in a shell, rows of a query, names."""

from __future__ import annotations

import json
import re
from typing import get_args

import boto3
import pytest

from rwlib.errors import InputError
from rwlib.evaluate import Policies, Request, evaluate
from rwlib.headless import notebook_path
from rwlib.labs.advice import ADVICE
from rwlib.labs.learner_folder import workplace
from rwlib.labs.model import all_labs, draw_faults, find_lab
from rwlib.labs.questions import LAYERS, choice_of, choices, question_of
from rwlib.labs.result import Mistake
from rwlib.labs.scores import read_results
from rwlib.labs.session import start_lab
from rwlib.labs.texts import in_its_names, read_texts, texts_of
from rwlib.labs.views import show_rows
from rwlib.verify.iam_actions import iam_actions

LABS = [lab for lab in all_labs() if lab.number <= 15]


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: str(lab.number))
def test_texts_of_every_lab_are_read_from_its_notebook(lab):
    texts = read_texts(notebook_path(f"labs/{lab.file_name}"))
    assert texts.story
    assert texts.tasks.startswith("1. ")
    assert len(texts.hints) >= 3
    assert texts.solution
    assert "<" not in "".join([texts.story, texts.solution]).replace("<that ARN>", "")
    assert "details" not in "".join([texts.tasks, *texts.hints])


@pytest.mark.parametrize(
    "name",
    ["Åsa", "A\u030asa", "ada@example.com", "李雷", "O'Neil", "O’Neil", "ada l", "प्रिया", "สมชาย"],
)
def test_names_of_any_language_are_taken(name, tmp_path):
    place = workplace(name, tmp_path)
    assert place.results_file.parent.parent == tmp_path
    assert place.learner == workplace(f" {name} ", tmp_path).learner
    assert workplace("A\u030asa", tmp_path) == workplace("Åsa", tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/b", "-rf", ".hidden", "x" * 41, "x" * 200, "a\nb", "_", "Ada L.", "😀", "a😀"),
        *('a"b', "con", "NUL.txt", "Com1", "class.log"),
    ],
)
def test_names_that_cannot_be_a_folder_are_refused(name, tmp_path):
    with pytest.raises(InputError, match="is not a valid learner's name"):
        workplace(name, tmp_path)


def test_rows_of_a_query_are_shown():
    shown = show_rows([(1, "a"), (22, None)])
    assert shown.text == "1  | a\n22 | NULL\n(2 rows)"
    assert "<td>NULL</td>" in shown.html
    assert show_rows([]).text == "(0 rows)"


@pytest.mark.slow
def test_sql_shows_rows_and_not_their_number(shared_sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    lab = start_lab(3, "ada", environment=False, home=tmp_path)
    shown = lab.sql("SELECT * FROM orders LIMIT 2").text
    assert "12.5" in shown
    assert shown.endswith("(2 rows)")
    assert lab.sql("CREATE TABLE more (a int)").text == "CREATE_TABLE"


def test_statements_about_condition_keys_are_what_the_evaluator_does():
    """Labs 4, 5 and 6: absent keys, the session's name, and what a star fits."""

    def allowed(condition, **context):
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
            ],
        }
        request = Request("arn:aws:iam::111122223333:user/x", "s3:ListBucket", "arn:aws:s3:::b",
                          "111122223333", context)  # fmt: skip
        return evaluate(request, Policies(identity=[document])).allowed

    for operator in ("StringEquals", "StringLike"):
        assert not allowed({operator: {"s3:prefix": "p"}})
        assert allowed({f"{operator}IfExists": {"s3:prefix": "p"}})
    for operator in ("StringNotEquals", "StringNotLike"):
        assert allowed({operator: {"s3:prefix": "p"}})
    for asked, fits in (("p/", True), ("p/x", True), ("p", False), ("p-old/", False)):
        assert allowed({"StringLike": {"s3:prefix": "p/*"}}, **{"s3:prefix": asked}) is fits
    assert allowed({"StringLike": {"s3:prefix": "p*"}}, **{"s3:prefix": "p-old/"})
    having = {name for name, action in iam_actions().items()
              if name.startswith("s3:") and "s3:prefix" in action.keys}  # fmt: skip
    assert having == {"s3:listbucket", "s3:listbucketversions"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "works"), [("reqsign", True), ("acme", False)])
def test_session_of_an_s3_connector_is_called_reqsign(
    shared_sandbox, monkeypatch, tmp_path, name, works
):
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    lab = start_lab(4, "ada", environment=False, home=tmp_path)
    trust = lab.setup.fill("$trust")
    trust["Statement"][1]["Condition"] = {"StringEquals": {"sts:RoleSessionName": name}}
    lab.setup.client("iam").update_assume_role_policy(
        RoleName=lab.role_name, PolicyDocument=json.dumps(trust)
    )
    assert lab.try_again().works is works


WRONG = (
    "The same goes for `sts:RoleSessionName`",
    "a role that is renamed",
    "a condition on another key never holds",
    "Three exact patterns",
    "is false. RisingWave",
    "try it, and see the same message",
)


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: str(lab.number))
def test_notebook_says_nothing_that_was_found_wrong(lab):
    text = notebook_path(f"labs/{lab.file_name}").read_text(encoding="utf-8")
    assert [words for words in WRONG if words in text] == []


@pytest.mark.parametrize("file", ["CHANGELOG.md", "notebooks/labs/trainers_guide.md"])
def test_number_of_labs_is_said_as_it_is(file):
    text = (notebook_path("labs/trainers_guide.md").parents[2] / file).read_text(encoding="utf-8")
    assert re.findall(r"\b(\d+|[A-Z][a-z-]+(?:een|one|ty)) labs\b", text) == [str(len(all_labs()))]


GIVES_AWAY = re.compile(
    r"trust|principal|external|prefix|slash|location|kms|\bkeys?\b|encrypt|\bden(?:y|ied)\b|boundar"
    r"|bucket.policy|role's.polic|own.polic|allowed|regist|region|propag|network|address|context"
    r"|terraform|aroa",
    re.IGNORECASE,
)
BROKEN = [lab for lab in all_labs() if lab.layer not in ("", "nothing")]


def cells_of(lab):
    text = notebook_path(f"labs/{lab.file_name}").read_text(encoding="utf-8")
    return {each["id"]: "".join(each["source"]) for each in json.loads(text)["cells"]}


@pytest.mark.parametrize("lab", BROKEN, ids=lambda lab: str(lab.number))
def test_nothing_says_where_the_fault_is_before_the_learner_does(lab, tmp_path):
    """Neither names nor titles, goals, objectives, nor the cells that read and write."""
    cells = cells_of(lab)
    seen = [lab.file_name.replace("_", " "), lab.title, *lab.objectives]
    seen.append(cells["cell-00"].partition("**Time**")[0])
    seen.append(workplace("ada", tmp_path).folder(lab).name.replace("_", " "))
    assert [text for text in seen if GIVES_AWAY.search(text)] == []
    if lab.number != 20:  # it has nothing but the trail
        (same,) = {
            tuple(cells_of(each)[name] for name in ("cell-07", "cell-08", "cell-10", "cell-12"))
            for each in (lab, BROKEN[0])
        }
        assert not GIVES_AWAY.search(same[1] + same[3])


def test_lab_that_was_begun_under_an_earlier_name_goes_on_there(tmp_path):
    place, lab = workplace("ada", tmp_path), find_lab(3)
    (tmp_path / "ada" / "03_wrong_principal").mkdir(parents=True)
    assert place.folder(lab).name == "03_wrong_principal"
    assert workplace("bob", tmp_path).folder(lab).name == "03_copied_from_the_console"


@pytest.mark.slow
def test_look_shows_each_layer_and_calls_that_read_and_write_it(
    shared_sandbox, monkeypatch, tmp_path
):
    """What it shows runs as it stands, and writing back what was read changes nothing."""
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    for number, layers in ((8, ("trust", "policy", "key")), (9, ("bucket",)), (10, ("boundary",))):
        lab = start_lab(number, "ada", environment=False, home=tmp_path)
        known = {layer: lab.look(layer).text for layer in LAYERS}
        for layer, text in known.items():
            assert text.startswith(LAYERS[layer])
            assert text.removeprefix(LAYERS[layer]).strip()
        assert lab.look(" B ").text == known["allowed"]
        listed = json.loads(re.search(r"^{.*?^}$", known["allowed"], re.M | re.S)[0])
        assert lab.role_arn in listed["role_arns"]
        assert listed["status"] == "Ready"
        with monkeypatch.context() as patch:
            for name, value in lab.environment.items():
                patch.setenv(name, value)
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            for layer in layers:
                text = known[layer].partition("\n")[2]
                code = re.sub(r"^[\[{].*?^[\]}]$", "", text, flags=re.MULTILINE | re.DOTALL)
                assert re.search(r"\b(?:update|put)_", code)
                exec(compile(code, layer, "exec"), {"json": json, "boto3": boto3, "lab": lab})
        assert {layer: lab.look(layer).text for layer in layers} == {
            layer: known[layer] for layer in layers
        }
    with pytest.raises(InputError, match="is not one of the choices"):
        lab.look("s3")


def test_questions_have_answers_that_can_be_given():
    for lab in LABS:
        if lab.after:
            assert question_of(lab, "after").right in LAYERS
        if lab.layer:
            assert question_of(lab, "before").right == choice_of(lab.layer)
    assert choice_of(" B ") == "allowed"
    assert len(choices()) == len(LAYERS)
    with pytest.raises(InputError, match="is not one of the choices"):
        choice_of("z")
    with pytest.raises(InputError, match="is not a question of lab 15"):
        question_of(LABS[-1], "before")


def test_every_kind_of_mistake_has_its_sentence():
    assert list(ADVICE) == sorted(ADVICE, key=["closed_again", *get_args(Mistake)].index)
    assert set(ADVICE) == set(get_args(Mistake))


@pytest.mark.slow
def test_check_has_a_sentence_for_a_usual_wrong_answer(shared_sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    lab = start_lab(5, "ada", environment=False, home=tmp_path)
    trust = lab.setup.fill("$trust")
    trust["Statement"][1]["Principal"] = "*"
    lab.setup.client("iam").update_assume_role_policy(
        RoleName=lab.role_name, PolicyDocument=json.dumps(trust)
    )
    text = repr(lab.check())
    assert "You have changed the trust policy, and the refusal stays" in text
    assert "A wildcard lets everybody in: nobody is asked any more" in text


def told(lab):
    return texts_of(lab, notebook_path(f"labs/{lab.file_name}"))


def test_texts_are_those_of_the_notebook_when_the_seed_is_the_default_one():
    for lab in all_labs():
        assert told(draw_faults(lab, 1)) == read_texts(notebook_path(f"labs/{lab.file_name}"))


def test_texts_and_questions_name_what_the_seed_has_drawn():
    named = 0
    for lab in (each for each in all_labs() if not each.rounds):
        plain = told(lab)
        for seed in range(2, 8):
            drawn = draw_faults(lab, seed)
            target, texts = drawn.full_target(), told(drawn)
            said = [texts.story, texts.tasks, *texts.hints, texts.solution]
            said += [question_of(drawn, "after").text] if drawn.after else []
            assert len(texts.hints) == len(plain.hints)
            text = "\n".join(said)
            assert "$" not in text.replace("${", "")
            left = re.findall(r"`[^`\n]*risingwave(?:-s3-access|-old)[^`\n]*`", text)
            assert [each for each in left if target.prefix not in each] == []
            named += target.role_name in text or f"`{target.prefix}" in text
            variant = drawn.told.get("hints", {})
            assert all(texts.hints[n - 1] != plain.hints[n - 1] for n in variant)
    assert named > 10


def test_only_code_in_a_line_is_written_in_other_names():
    lab = draw_faults(find_lab(5), 5)
    name, prefix = lab.full_target().role_name, lab.full_target().prefix
    text = "risingwave `risingwave/*` `risingwave-old/` `risingwave/main.tf` `risingwave-s3-access`"
    assert in_its_names(lab, f"{text}\n```\n`risingwave`\n```") == (
        f"risingwave `{prefix}/*` `{prefix}-old/` `risingwave/main.tf` `{name}`"
        "\n```\n`risingwave`\n```"
    )


def test_question_after_is_that_of_the_variant():
    """Of lab 16's ranges one does not have the address that the default question is about."""
    asked = {}
    for seed in range(1, 30):
        lab = draw_faults(find_lab(16), seed)
        (address,) = re.findall(r"from ([\d.]+)\?", question_of(lab, "after").text)
        asked[json.dumps(lab.faults[0].breaks)] = address
    assert all(address.rpartition(".")[0] in breaks or "$office_only" in breaks
               for breaks, address in asked.items())  # fmt: skip
    assert len(set(asked.values())) == 2


@pytest.mark.slow
def test_hint_is_told_in_the_drawn_names_and_noted(shared_sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    lab = start_lab(5, "ada", environment=False, home=tmp_path, seed=5)
    assert f"assumed-role/{lab.role_name}" in lab.hint(1).text
    assert f"prefix={lab.prefix}" in lab.hint(2).text
    assert f"`{lab.prefix}-old/`" in lab.tasks().text
    assert "lab.hint(1)" in repr(lab)
    assert read_results(lab.place.results_file).of(5).hints == 2
    with pytest.raises(InputError, match="there are 1 to 3"):
        lab.hint(4)
