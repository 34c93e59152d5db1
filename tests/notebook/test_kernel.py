"""What ipykernel is talked into: which messages are heard amid a cell, and which are not."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import comm
import pytest
from jupyter_client.session import Session

from nbexec.notebook import kernel


class FakeKernel:
    """A kernel whose main thread is in the middle of a cell, with messages queued behind it."""

    def __init__(self, *messages):
        self.session = Session(key=b"secret")
        self.queue = [self.session.serialize(self.session.msg(*message)) for message in messages]
        self.queue = [
            [SimpleNamespace(bytes=part, buffer=part) for part in frames] for frames in self.queue
        ]
        self.handled, self.put_back, self.flushed = [], [], []
        self.shell_handlers = {"comm_msg": lambda *args: self.handled.append(args[2]["content"])}
        self.shell_stream = SimpleNamespace(
            socket=SimpleNamespace(
                poll=lambda timeout: bool(self.queue),
                recv_multipart=lambda copy: self.queue.pop(0),
            ),
            _recv_callback=self.put_back.append,
            flush=lambda: self.flushed.append(True),
        )
        self.io_loop = SimpleNamespace(add_callback=lambda call, *args: call(*args))

    def kinds(self):
        return [json.loads(frames[-4].bytes)["msg_type"] for frames in self.put_back]


MESSAGES = [
    ("execute_request", {"code": "1"}),
    ("comm_msg", {"comm_id": "other", "data": {}}),
    ("comm_msg", {"comm_id": "mine", "data": {"do": "cancel"}}),
    ("comm_close", {"comm_id": "other"}),
    ("comm_msg", {"comm_id": "mine", "data": {"do": "pause"}}),
    ("execute_request", {"code": "2"}),
]


@pytest.fixture
def busy(monkeypatch):
    """A busy kernel; the comm "mine" is a panel's."""
    busy = FakeKernel(*MESSAGES)
    monkeypatch.setattr(kernel, "_kernel", lambda: busy)
    monkeypatch.setattr(kernel, "_listening", set())
    comms = {"mine": None, "other": None}
    monkeypatch.setattr(comm, "get_comm_manager", lambda: SimpleNamespace(comms=comms))
    kernel.listen(SimpleNamespace(comm=SimpleNamespace(comm_id="mine")))
    return busy


def test_a_click_is_heard_in_the_middle_of_a_cell_and_all_else_keeps_its_order(busy):
    kernel.pump_comms()
    assert [content["data"]["do"] for content in busy.handled] == ["cancel", "pause"]
    assert busy.kinds() == ["execute_request", "comm_msg", "comm_close", "execute_request"]


def test_an_interrupt_loses_nothing_and_has_the_rest_read(busy, monkeypatch):
    def interrupted(*message):
        raise KeyboardInterrupt

    monkeypatch.setitem(busy.shell_handlers, "comm_msg", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kernel.pump_comms()
    assert busy.kinds() == ["execute_request", "comm_msg", "comm_msg"]
    assert len(busy.queue) == 3
    assert busy.flushed == [True]


def test_a_click_passes_first_where_the_event_loop_reads_the_socket(busy):
    for frames in busy.queue:
        busy.shell_stream._recv_callback(frames)
    assert [content["data"]["do"] for content in busy.handled] == ["cancel", "pause"]
    assert busy.kinds() == ["execute_request", "comm_msg", "comm_close", "execute_request"]


def test_the_streams_callback_is_wrapped_once(busy):
    kernel.listen(SimpleNamespace(comm=SimpleNamespace(comm_id="another")))
    assert not isinstance(busy.shell_stream._recv_callback.receive, kernel.Filter)


def test_a_panel_that_was_closed_is_forgotten_with_the_next_cell(busy, monkeypatch):
    comms = {"other": None}
    monkeypatch.setattr(comm, "get_comm_manager", lambda: SimpleNamespace(comms=comms))
    kernel.pump_comms()
    assert kernel._listening == set()
    assert len(busy.put_back) == len(MESSAGES)


def test_what_is_no_message_is_left_to_the_kernel(busy):
    strange = [SimpleNamespace(bytes=b"stop aborting", buffer=b"stop aborting")]
    busy.queue.insert(0, strange)
    kernel.pump_comms()
    assert busy.put_back[0] is strange
    assert len(busy.handled) == 2


def test_only_the_main_thread_reads_the_kernels_socket(busy):
    thread = threading.Thread(target=kernel.pump_comms)
    thread.start()
    thread.join()
    assert len(busy.queue) == len(MESSAGES)


def test_an_ipykernel_that_is_not_known_is_left_alone(busy, monkeypatch):
    widget = SimpleNamespace(comm=SimpleNamespace(comm_id="one more"))
    for strange in (SimpleNamespace(), SimpleNamespace(shell_channel_thread=object()), None):
        monkeypatch.setattr(kernel, "_kernel", lambda it=strange: it)
        kernel.listen(widget)
        kernel.pump_comms()
    assert len(busy.queue) == len(MESSAGES)


def test_messages_go_where_the_page_sends_them(busy):
    class Comm:  # as ipykernel 7.4's
        def _reply_subshell_for(self, data, default):
            return "main"

    widget = SimpleNamespace(comm=Comm())
    kernel.listen(widget)
    assert widget.comm._reply_subshell_for({}, "subshell") == "subshell"
    kernel.listen(SimpleNamespace(comm=object()))  # others have no such thing


def test_the_names_that_are_leant_on_are_still_there():
    import ipykernel
    from ipykernel.comm.comm import BaseComm
    from ipykernel.kernelbase import Kernel
    from zmq.eventloop.zmqstream import ZMQStream

    version = tuple(int(part) for part in ipykernel.__version__.split(".")[:2])
    assert hasattr(BaseComm, "_reply_subshell_for") == (version >= (7, 4))
    assert hasattr(Kernel, "schedule_dispatch") == (version < (7, 0))
    assert "_recv_callback" in ZMQStream.on_recv.__code__.co_names
    if version >= (7, 0):
        from ipykernel.subshell_manager import SubshellManager

        assert callable(SubshellManager.get_shell_channel_to_subshell_pair)
