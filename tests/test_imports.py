import sys

from pydantic import BaseModel

from rwlib.imports import without_pydantic_plugins


def test_plugins_are_asked_by_models_of_others_and_not_by_ours(monkeypatch):
    asked = []

    class Loader:
        @staticmethod
        def get_plugins():
            asked.append("other")
            return ()

    monkeypatch.delitem(sys.modules, "pydantic.plugin._loader", raising=False)
    with without_pydantic_plugins():

        class Ours(BaseModel):
            number: int

    assert "pydantic.plugin._loader" not in sys.modules
    assert Ours(number="1").number == 1
    monkeypatch.setitem(sys.modules, "pydantic.plugin._loader", Loader)
    with without_pydantic_plugins():

        class Extended(BaseModel):
            number: int

    assert Extended(number="1").number == 1
    assert asked
