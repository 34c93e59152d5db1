"""`system/flag_files`: flags that a kernel raises for its workers."""

from __future__ import annotations

from nbexec.system import flag_files


def test_a_flag_is_seen_with_its_whole_text(tmp_path):
    path = str(tmp_path / "flag")
    assert not flag_files.is_raised(path)
    assert flag_files.text_of(path) == ""
    flag_files.raise_flag(path, "Grüße\nand more")
    assert flag_files.is_raised(path)
    assert flag_files.text_of(path) == "Grüße\nand more"
    assert [one.name for one in tmp_path.iterdir()] == ["flag"]


def test_messages_stand_for_files_that_are_elsewhere(monkeypatch):
    monkeypatch.setattr(flag_files, "_told", {})
    monkeypatch.setattr(flag_files, "MOST", 2)
    flag_files.tell(["/elsewhere/1", "/elsewhere/2"], "why")
    flag_files.tell(["/elsewhere/3"])
    raised = [flag_files.is_raised(f"/elsewhere/{one}") for one in (1, 2, 3)]
    assert raised == [False, True, True]  # the oldest is forgotten
    assert flag_files.text_of("/elsewhere/2") == "why"
