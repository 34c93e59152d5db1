"""Workarounds for ipykernel: handle a click while a cell blocks, and display in a given cell.

How a click arrives, by version (tests/notebook/test_kernel_versions.py tries each):

=============== ================================= =======================================
ipykernel       while a cell blocks               while a cell awaits
=============== ================================= =======================================
6               the main thread reads its own     the callback of the shell's stream
                shell socket: `pump_comms`        lets ours pass: `listen`
7, the page     on a subshell's thread; in 7.4    on a subshell's thread; in 7.4
using subshells after `listen` has told it to     after `listen` has told it to
7, without      `pump_comms`                      `listen`; 7.4 does so by itself
=============== ================================= =======================================

Everything here uses private names of ipykernel, and does nothing where they are missing.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _kernel() -> Any:
    return getattr(_shell(), "kernel", None)


def execution() -> int:
    """Number the execution of a cell that goes on now."""
    return getattr(_shell(), "execution_count", 0)


def current_cell() -> Any:
    """Identify the cell that runs now, for a later `display_in`; or None.

    None with ipykernel 7, whose threads display in the cell of their context.  In 6 they
    display in whichever cell runs at that moment; can go when 6 is no longer supported.
    """
    publisher: Any = getattr(_shell(), "display_pub", None)
    if hasattr(publisher, "set_thread_parent") or not hasattr(publisher, "pub_socket"):
        return None
    return getattr(publisher, "parent_header", None) or None


def display_in(cell: Any, bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> Any:
    """Display a bundle in a cell (None: that of the context); give its `DisplayHandle`."""
    metadata = metadata or {}
    from IPython.display import DisplayHandle, display

    publisher: Any = getattr(_shell(), "display_pub", None)
    if cell is None or not hasattr(publisher, "pub_socket"):
        return display(bundle, raw=True, display_id=True, metadata=metadata)
    handle = DisplayHandle()
    transient = {"display_id": handle.display_id}
    content = {"data": bundle, "metadata": metadata, "transient": transient}
    publisher._flush_streams()
    publisher.session.send(
        publisher.pub_socket, "display_data", content, parent=cell, ident=publisher.topic
    )
    return handle


def replaces_displays() -> bool:
    """Whether a display can be replaced later.

    Voila (tried: 0.5) leaves it as it is, and so does an ipywidgets `Output` (tried: 8.1) that
    is in a ``with`` here.
    """
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return False
    outputs, widgets = (
        sys.modules.get(f"ipywidgets.widgets.{name}") for name in ("widget_output", "widget")
    )
    if outputs is None or widgets is None or not hasattr(_kernel(), "get_parent"):
        return True
    here = _kernel().get_parent().get("header", {}).get("msg_id")
    open_ones = [one for one in list(widgets._instances.values()) if hasattr(one, "msg_id")]
    return not any(isinstance(one, outputs.Output) and one.msg_id == here for one in open_ones)


_listening: set[str] = set()  # comms whose messages don't wait for the cell to end


def listen(widget: Any) -> None:
    """Have a widget's messages handled when they come, not after the cell that runs.

    Once it is closed, it is forgotten.
    """
    comm: Any = getattr(widget, "comm", None)
    follow_frontend(comm)
    stream = _main_shell_stream(_kernel())
    if stream is None or not hasattr(comm, "comm_id"):
        return
    _listening.add(comm.comm_id)
    if not isinstance(stream._recv_callback, Filter):
        stream._recv_callback = Filter(_kernel(), stream)


def follow_frontend(comm: Any) -> None:
    """Have a comm's messages handled by the subshell that the page sends them to.

    ipykernel 7.4.0 sends each to the shell that last published on the comm instead: the
    main shell, which the cell blocks.  No upstream issue was found; this can go once
    ``BaseComm._reply_subshell_for`` is gone or leaves a request of its own alone.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default


class Filter:
    """Stands before the callback of the main shell's stream, and lets our messages pass first.

    While a cell awaits, the event loop goes on and reads the shell's socket, and ipykernel
    puts what comes behind the cell.  Can go when `pump_comms` can.
    """

    def __init__(self, kernel: Any, stream: Any) -> None:
        self.kernel = kernel
        self.stream = stream
        self.receive = stream._recv_callback

    def __call__(self, frames: Any) -> Any:
        """Take in a message, in the main thread."""
        if _listening and _handle(self.kernel, self.stream, frames):
            return None
        return self.receive(frames)  # a coroutine in ipykernel 7: the stream runs it


def pump_comms() -> None:
    """Handle what has come for the widgets of `listen`, in the main thread, amid a cell.

    Other messages, and other widgets', stay queued behind the cell in their order.  Can go
    when ipykernel 6 is no longer supported and front-ends can't switch subshells off
    (jupyterlab#19719 may switch them off by default).
    """
    if not _listening or threading.current_thread() is not threading.main_thread():
        return
    kernel = _kernel()
    stream = _main_shell_stream(kernel)
    if stream is None:
        return
    held: list[Any] = []
    interrupted = True
    try:
        while stream.socket.poll(0):
            frames = stream.socket.recv_multipart(copy=False)
            held.append(frames)
            if _handle(kernel, stream, frames):
                held.pop()
        interrupted = False
    finally:
        for frames in held:
            _queue(kernel, stream, frames)
        if interrupted:
            # ZeroMQ signals once that there are messages, and that signal is used up: the rest
            # would stay in the socket.
            kernel.io_loop.add_callback(stream.flush)


def _main_shell_stream(kernel: Any) -> Any:
    """Give the stream that the main shell's messages come by; None where it isn't known."""
    try:
        thread = getattr(kernel, "shell_channel_thread", None)
        if thread is None:
            stream = kernel.shell_stream
        else:  # ipykernel 7: from another thread
            stream = thread.manager.get_shell_channel_to_subshell_pair(None).to_stream
        known = stream._recv_callback is not None and "comm_msg" in kernel.shell_handlers
    except (AttributeError, TypeError):  # no kernel, or an ipykernel that is not known here
        return None
    return stream if known else None


def _handle(kernel: Any, stream: Any, frames: Any) -> bool:
    """Handle a message if it is for a widget of `listen`; give whether it was."""
    session = kernel.session
    try:
        idents, rest = session.feed_identities(frames, copy=False)
        # Only peek: a message that was unpacked once is refused as a replay the next time.
        header = session.deserialize(rest, content=False, copy=False)["header"]
        if header["msg_type"] == "execute_request":
            _forget()
        if (
            header["msg_type"] != "comm_msg"
            or session.unpack(rest[4].bytes)["comm_id"] not in _listening
        ):
            return False
        message = session.deserialize(rest, content=True, copy=False)
    except Exception:  # not a message as we know it: the kernel's to judge
        return False
    kernel.shell_handlers["comm_msg"](stream, idents, message)
    return True


def _forget() -> None:
    """Listen no more to what was closed."""
    import comm

    _listening.intersection_update(comm.get_comm_manager().comms)


def _queue(kernel: Any, stream: Any, frames: Any) -> None:
    """Put back a message that is not ours, as if it had just been received."""
    receive = stream._recv_callback
    if isinstance(receive, Filter):
        receive = receive.receive
    if getattr(kernel, "shell_channel_thread", None) is None and hasattr(kernel, "msg_queue"):
        # ipykernel 6: this only puts it on that queue.  Not later: should the cell raise,
        # the messages on the queue are the ones that are aborted.
        receive(frames)
    else:
        kernel.io_loop.add_callback(receive, frames)
