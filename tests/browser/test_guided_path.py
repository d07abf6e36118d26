"""The guided path as a person sees it: all five steps, a mistake, a break, a fix, tear down."""

from __future__ import annotations

import json
import re
import shlex
import time
from pathlib import Path

import pytest
import requests

from tests.browser.conftest import PATIENCE, served
from tests.browser.walk import (
    KERNEL_IDLE,
    AppWalk,
    LabWalk,
    cut_off,
    iam,
    serious_faults,
    set_faults,
)

pytestmark = pytest.mark.slow

ROLE = "risingwave-s3-access"
OTHER = "arn:aws:iam::444455556666:role/other-cluster-role"
STEPS = (
    ("01_create_s3_policy.ipynb", 1, "Policy"),
    ("02_create_role.ipynb", 2, "Role"),
    ("03_configure_trust_policy.ipynb", 3, "Trust policy"),
    ("04_register_allowed_principal.ipynb", 4, "Allowed Principal"),
)


def fill_in(walk):
    """Choose what can be chosen and type the one thing that nobody can know."""
    walk.choose_cluster("orders in us-east-1")
    walk.field("bucket").fill("acme-analytics")
    walk.field("bucket").press("Tab")
    walk.wait_for("Detected: us-east-1", ".rw-field-bucket")
    walk.page.get_by_label("Sink to Redshift").check()


def refuse_a_mistake(walk):
    walk.type_until_kept("prefix", "/risingwave")
    walk.message("prefix").wait_for()
    assert "begins with a slash" in walk.message("prefix").inner_text()
    walk.expect(walk.button("Preview").first).to_be_disabled()
    walk.shot("01-mistake", walk.field("cluster"))
    walk.type("prefix", "risingwave")
    walk.message("prefix").wait_for(state="detached")
    walk.typed -= 1


def break_it(runs):
    """Take the policy off the role, which Step 2 mends."""
    client = iam(runs)
    for each in client.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=ROLE, PolicyArn=each["PolicyArn"])


def change_our_statement(runs):
    """Let the runbook's own statement name another role: that is somebody's, and stays."""
    client = iam(runs)
    document = client.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    own = next(each for each in document["Statement"] if each.get("Sid"))
    own["Principal"]["AWS"] = OTHER
    client.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(document))


def copied(walk, name):
    """Press the first copy button of that name and return what is on the clipboard."""
    walk.page.get_by_role("button", name=name).first.click()
    walk.page.get_by_text("Copied").first.wait_for()
    return walk.page.evaluate("() => navigator.clipboard.readText()")


def mend_by_hand(walk, runs):
    """Break what no step mends, read why, and run the command that the page gives."""
    change_our_statement(runs)
    walk.button("Check again").click()
    walk.wait_for("checks fail", ".rw-live .rw-note.rw-bad")
    walk.expect(walk.step(3)).to_contain_text("✗ failed")
    walk.expect(walk.step(1)).to_contain_text("✓ done")
    walk.wait_for("Step 3 refuses to write")
    walk.expect(walk.button("Fix it")).to_have_count(0)
    walk.shot("63-refused", walk.page.get_by_text("Step 3 refuses to write").first)
    words = shlex.split(copied(walk, "Copy the command that writes it"))
    assert words[:5] == ["aws", "iam", "update-assume-role-policy", "--role-name", ROLE]
    iam(runs).update_assume_role_policy(RoleName=ROLE, PolicyDocument=words[-1])
    walk.button("Check again").click()
    walk.wait_for("None of", ".rw-live .rw-note.rw-good")


def walk_the_steps(walk, runs):
    """Go from nothing to verified, break it, fix it and take it back."""
    started = time.monotonic()
    walk.open("00_start_here.ipynb")
    walk.expect(walk.page.locator(".rw-place").first).to_contain_text("Sandbox on this machine")
    walk.expect(walk.page.locator(".rw-live").last).to_contain_text("Fill in the form first")
    walk.shot("00-empty")
    fill_in(walk)
    refuse_a_mistake(walk)
    walk.button("Preview").first.click()
    walk.wait_for("Would create IAM policy")
    walk.shot("02-start", walk.page.locator("svg.rw-chain").first)
    assert serious_faults(walk.page) == []

    for name, number, title in STEPS:
        walk.open(name)
        if number < 4:
            walk.wait_for("acme-analytics/risingwave → ")
        if number == 3:
            walk.wait_for("Nothing to apply: AWS shows it as asked for")
        else:
            walk.shot(f"{number}0-preview", walk.button("Preview").first)
            walk.apply()
        walk.expect(walk.step(number)).to_contain_text("✓ done")
        walk.expect(walk.step(number)).to_contain_text(title)
        walk.shot(f"{number}1-done", walk.button("Apply").first)
    walk.open("05_use_role_in_risingwave.ipynb")
    walk.wait_for("s3.assume_role")
    walk.shot("51-sql", walk.button("Preview").first)

    walk.open("06_verify_setup.ipynb")
    walk.wait_for("None of")
    walk.expect(walk.step(6)).to_contain_text("✓ done")
    took = time.monotonic() - started
    walk.shot("60-verified", walk.button("Check again").first)
    assert serious_faults(walk.page) == []
    assert walk.typed <= 1
    # Kept beside the screenshots; a busy machine must not fail a test.
    (walk.shots / f"{walk.name}-seconds.txt").write_text(f"{took:.0f}\n")

    break_it(runs)
    walk.button("Check again").click()
    walk.wait_for("checks fail", ".rw-live .rw-note.rw-bad")
    walk.expect(walk.step(6)).to_contain_text("✗ failed")
    walk.shot("61-broken", walk.button("Check again").first)
    assert serious_faults(walk.page) == []
    walk.button("Fix it").first.click()
    walk.wait_for("Would create attachment")
    walk.shot("62-fix", walk.page.get_by_text("The fix").first)
    walk.button("Apply the fix").click()
    walk.wait_for("Created attachment")
    walk.wait_for("None of", ".rw-live .rw-note.rw-good")
    mend_by_hand(walk, runs)
    assert OTHER not in str(iam(runs).get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"])

    walk.open("90_tear_down.ipynb")
    walk.wait_for("Would delete IAM role")
    walk.shot("90-preview", walk.button("Take it back").first)
    walk.button("Take it back").click()
    walk.wait_for("Deleted IAM role")
    walk.wait_for("Nothing to take back")
    walk.shot("91-gone", walk.button("Take it back").first)
    assert ROLE not in [each["RoleName"] for each in iam(runs).list_roles()["Roles"]]
    assert walk.page.elsewhere == []
    assert walk.page.faults == []


def processes_under(folder):
    """Command lines of processes that still work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words and "pytest" not in words.split(" ")[:3]:
            found.append(words)
    return found


def test_jupyterlab_leads_from_nothing_to_verified_and_back(page, tmp_path, screenshots):
    with served(tmp_path, "--token", "browser-test") as address:
        walk_the_steps(LabWalk(page, address, screenshots, "lab"), tmp_path)
    saved = (tmp_path / "lab" / "notebooks" / "01_create_s3_policy.ipynb").read_text()
    assert "Created IAM policy" in saved, "what was done is not in the saved notebook"
    assert processes_under(tmp_path) == []


def visible(walk, text):
    return walk.button(text).locator("visible=true")


def stop_a_wait(walk, runs):
    """Stop while the kernel waits for AWS: the click is heard though another is worked on."""
    set_faults(runs, throttle=1.0, only="iam:*")
    walk.button("Preview").first.click()
    walk.wait_for("AWS throttles this account's calls", ".rw-waiting")
    assert serious_faults(walk.page) == []
    pressed = time.monotonic()
    visible(walk, "Stop").click()
    walk.wait_for("Stopped. Nothing was written")
    waited = time.monotonic() - pressed
    set_faults(runs, throttle=0.0, only="*")
    assert waited < 15, "AWS gives up after half a minute and more"
    walk.expect(walk.page.locator(".rw-waiting").locator("visible=true")).to_have_count(0)
    walk.button("Preview").first.click()
    walk.expect(walk.page.locator("#rw-section-6")).to_contain_text("✓ done")


def walk_the_page(walk, runs):
    """Go the same way on the one page: one kernel, inputs once, sections one after the other."""
    started = time.monotonic()
    walk.open("runbook.ipynb")
    walk.expect(walk.page.locator(".rw-place").first).to_contain_text("Sandbox on this machine")
    walk.shot("00-empty")
    fill_in(walk)
    refuse_a_mistake(walk)
    clicks = 3  # the cluster, the connector, and Preview
    walk.button("Preview").first.click()
    for number in (1, 2, 4):
        visible(walk, r"Apply \d").first.wait_for()
        walk.shot(f"{number}0-section", walk.page.locator(f"#rw-section-{number}"))
        visible(walk, r"Apply \d").click()
        clicks += 1
        walk.expect(walk.page.locator(f"#rw-section-{number}")).to_contain_text("✓ done")
        walk.expect(walk.page.locator(f"#rw-section-{number}")).to_contain_text("Done. ")
        walk.shot(f"{number}1-done", walk.page.locator(f"#rw-section-{number}"))
    verdict = walk.page.locator(".rw-note.rw-good", has_text="None of").locator("visible=true")
    verdict.last.wait_for()
    walk.expect(walk.page.locator("#rw-section-6")).to_contain_text("✓ done")
    took = time.monotonic() - started
    assert clicks <= 12
    assert walk.typed <= 2
    (walk.shots / f"{walk.name}-seconds.txt").write_text(f"{took:.0f}\n")
    walk.shot("60-verified", walk.page.locator("#rw-section-6"))
    assert serious_faults(walk.page) == []

    break_it(runs)
    visible(walk, "Check again").last.click()
    walk.expect(walk.page.locator("#rw-section-6")).to_contain_text("✗ failed")
    walk.shot("61-broken", walk.page.locator("#rw-section-6"))
    assert cut_off(walk.page) == []
    visible(walk, "Fix it").first.click()
    walk.wait_for("Would create attachment")
    walk.shot("62-fix", walk.page.locator("#rw-section-6"))
    visible(walk, "Apply the fix").click()
    walk.wait_for("Created attachment")

    stop_a_wait(walk, runs)
    visible(walk, "Take it all back").click()
    walk.wait_for("Would delete IAM role")
    walk.shot("90-preview", visible(walk, "Take it all back"))
    visible(walk, "Take it back").click()
    walk.wait_for("Deleted IAM role")
    assert ROLE not in [each["RoleName"] for each in iam(runs).list_roles()["Roles"]]
    assert walk.page.elsewhere == []
    assert walk.page.faults == []


def test_voila_leads_from_nothing_to_verified_and_back_on_one_page(page, tmp_path, screenshots):
    with served(tmp_path, "--app", "--token", "browser-test") as address:
        walk = AppWalk(page, address, screenshots, "app")
        walk_the_page(walk, tmp_path)
        assert page.locator(".jp-InputArea-editor, .cm-editor").count() == 0


def test_jupyterlab_leads_from_nothing_to_verified_and_back_on_one_page(
    page, tmp_path, screenshots
):
    with served(tmp_path, "--token", "browser-test") as address:
        walk = LabWalk(page, address, screenshots, "page")
        walk_the_page(walk, tmp_path)
        kernels = page.evaluate(
            "async () => (await (await fetch('/api/kernels', {headers: {Authorization:"
            " 'token browser-test'}})).json()).length"
        )
        assert kernels == 1


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    runs = tmp_path_factory.mktemp("lab")
    with served(runs, "--token", "browser-test") as address:
        yield address, runs


def test_everything_can_be_reached_with_the_keyboard(page, lab, screenshots):
    walk = LabWalk(page, lab[0], screenshots, "keys")
    walk.open("00_start_here.ipynb")
    walk.field("cluster").focus()
    reached = []
    for _ in range(24):
        label = page.evaluate(
            "() => document.activeElement.labels?.[0]?.innerText"
            " || document.activeElement.innerText || document.activeElement.value || ''"
        )
        reached.append(label.strip())
        page.keyboard.press("Tab")
        if reached[-1].startswith("Show"):
            break
    assert reached[:4] == [
        "RisingWave Cloud cluster",
        "Workload Identity (IAM Role ARN)",
        "S3 bucket",
        "Prefix inside the bucket",
    ]
    assert "Sink to Redshift (redshift)" in reached
    assert reached[-1].startswith("Show")


def test_pages_fit_1024_pixels_and_the_dark_theme(page, lab, screenshots):
    walk = LabWalk(page, lab[0], screenshots, "dark")
    page.goto(f"{walk.base}/lab/tree/runbook.ipynb?token={walk.token}")
    page.wait_for_function("() => window.jupyterapp?.commands?.hasCommand('apputils:change-theme')")
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme',"
        " {theme: 'JupyterLab Dark'})"
    )
    try:
        walk.open("runbook.ipynb")
        fill_in(walk)
        walk.button("Preview").first.click()
        walk.wait_for("Would create IAM policy")
        wide = page.evaluate(
            "() => [...document.querySelectorAll('.rw-live .rw')]"
            ".filter(each => each.scrollWidth > each.clientWidth + 1).length"
        )
        assert wide == 0
        walk.shot("form", walk.field("cluster"))
        walk.shot("preview", page.locator("#rw-section-1"))
        askew = page.evaluate(
            "() => [...document.querySelectorAll('.rw-live .rw td')]"
            ".filter(each => getComputedStyle(each).textAlign !== 'left').length"
        )
        assert askew == 0
        assert serious_faults(page) == []
    finally:
        page.evaluate(
            "() => window.jupyterapp.commands.execute('apputils:change-theme',"
            " {theme: 'JupyterLab Light'})"
        )


def test_copy_puts_the_sql_on_the_clipboard(page, lab, screenshots):
    walk = LabWalk(page, lab[0], screenshots, "copy")
    walk.open("00_start_here.ipynb")
    fill_in(walk)
    walk.type("prefix", "risingwave")
    walk.open("05_use_role_in_risingwave.ipynb")
    page.get_by_role("button", name="Copy the SQL of redshift").click()
    page.get_by_text("Copied").first.wait_for()
    text = page.evaluate("() => navigator.clipboard.readText()")
    assert "s3.assume_role" in text
    assert text.lstrip().startswith("CREATE")


ACTIVE = "each => each === document.activeElement"


def tab_to(walk, locator, at_most=500):
    """Press Tab until something has the focus, as a person without a mouse does."""
    locator.wait_for()
    for _ in range(at_most):
        if locator.evaluate(ACTIVE):
            return
        walk.page.keyboard.press("Tab")
    raise AssertionError(f"{locator} cannot be reached with Tab")


def press(walk, locator, key="Enter"):
    walk.expect(locator).to_be_enabled()
    tab_to(walk, locator)
    walk.page.keyboard.press(key)


def test_the_keyboard_alone_leads_to_the_verdict_and_to_the_files(page, tmp_path, screenshots):
    with served(tmp_path, "--app", "--token", "browser-test") as address:
        walk = AppWalk(page, address, screenshots, "keyboard")
        walk.open("runbook.ipynb")
        keyboard = page.keyboard
        tab_to(walk, walk.field("cluster"))
        keyboard.type("orders")
        tab_to(walk, walk.field("bucket"))
        keyboard.type("acme-analytics")
        keyboard.press("Tab")
        walk.wait_for("Detected: us-east-1", ".rw-field-bucket")
        tab_to(walk, walk.field("prefix"))
        keyboard.type("risingwave")
        press(walk, page.get_by_label("Sink to Redshift"), "Space")
        press(walk, walk.button("Preview").first)
        for number in (1, 2, 4):
            press(walk, visible(walk, r"Apply \d").first)
            walk.expect(page.locator(f"#rw-section-{number}")).to_contain_text("✓ done")
        walk.expect(page.locator("#rw-section-6")).to_contain_text("✓ done")
        tab_to(walk, page.get_by_label("table.name", exact=True))
        keyboard.type("orders_of_today")
        walk.wait_for("table.name = 'orders_of_today'")
        walk.shot("50-typed", page.locator("#rw-section-5"))
        press(walk, walk.button("Use these options"))
        walk.expect(page.get_by_label("table.name", exact=True)).to_have_value("orders_of_today")
        walk.expect(walk.button("Use these options")).to_be_disabled()
        press(walk, walk.button("Make the files"))
        walk.wait_for("for-the-aws-administrator.html")
        with page.expect_download() as coming:
            press(walk, page.get_by_role("link", name="report.html"))
        assert "redshift" in Path(coming.value.path()).read_text(encoding="utf-8")
        assert serious_faults(page) == []
        press(walk, visible(walk, "Take it all back"))
        walk.wait_for("Would delete IAM role")
        walk.expect(visible(walk, "Take it back")).to_be_enabled()
        tab_to(walk, visible(walk, "Take it back"))
        assert page.faults == []


def test_a_new_kernel_leaves_one_sentence_and_no_error(page, lab, screenshots):
    walk = LabWalk(page, lab[0], screenshots, "kernel")
    walk.open("runbook.ipynb")
    page.wait_for_function(KERNEL_IDLE)
    walk.field("bucket").fill("acme-analytics")
    page.wait_for_timeout(1000)
    page.wait_for_function(KERNEL_IDLE)
    session = "window.jupyterapp.shell.currentWidget.sessionContext.session"
    page.evaluate(f"async () => {{ await {session}.kernel.restart() }}")
    page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save') }")
    page.reload()
    page.wait_for_function(KERNEL_IDLE)
    said = page.get_by_text("nothing here can be clicked").locator("visible=true")
    walk.expect(said).to_have_count(1)
    page.locator(".rw-live").first.wait_for(state="detached")
    for words in ("Error displaying widget", "Loading widget"):
        walk.expect(page.get_by_text(words).locator("visible=true")).to_have_count(0)
    walk.shot("00-new")


def test_all_cells_can_be_run_at_once_after_a_reload(page, lab, screenshots):
    walk = LabWalk(page, lab[0], screenshots, "reload")
    walk.open("runbook.ipynb")
    walk.field("bucket").fill("acme-analytics")
    walk.field("bucket").press("Tab")
    walk.wait_for("Detected: us-east-1", ".rw-field-bucket")
    page.reload()
    page.wait_for_function(KERNEL_IDLE)
    ends = page.evaluate(
        """patience => Promise.race([
          window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => 'ran'),
          new Promise(done => setTimeout(() => done('waits'), patience)),
        ])""",
        PATIENCE,
    )
    assert ends == "ran"
    walk.expect(walk.field("bucket")).to_have_value("acme-analytics")
    walk.type("prefix", "/risingwave")
    walk.message("prefix").wait_for()
    assert page.faults == []


def test_jupyterlab_takes_up_the_kernel_that_is_there_already(page, tmp_path):
    with served(tmp_path) as address:
        base, token = re.match(r"(http://[^/]+)/.*token=(.*)", address).groups()
        headers = {"Authorization": f"token {token}"}

        def kernels():
            found = requests.get(f"{base}/api/sessions", headers=headers, timeout=30).json()
            return [(each["path"], each["kernel"]["id"]) for each in found]

        before = kernels()
        assert [path for path, _ in before] == ["runbook.ipynb"]
        page.goto(address)
        page.wait_for_function(KERNEL_IDLE)
        assert kernels() == before
