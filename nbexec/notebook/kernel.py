"""What ipykernel must be talked into: to hear a click while a cell blocks, and where to display.

How a click comes to be heard, by version (measured in JupyterLab 4.6):

=============== ==================================================================
ipykernel 6     the main thread reads its own shell socket: `pump_comms`
7.0 to 7.3      on a subshell's thread, by itself
7.4             on a subshell's thread, once `follow_frontend` was called
any 7, with     `pump_comms`
subshells off
=============== ==================================================================

Everything here leans on private names, and does nothing where they are not there.
"""

from __future__ import annotations

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
    """Give what a later `display_in` needs to find the cell that runs now, or None.

    None with ipykernel 7, whose threads display in the cell of their context.  In 6 they
    display in whichever cell runs at that moment; can go when 6 is no longer supported.
    """
    publisher: Any = getattr(_shell(), "display_pub", None)
    if hasattr(publisher, "set_thread_parent") or not hasattr(publisher, "pub_socket"):
        return None
    return getattr(publisher, "parent_header", None) or None


def display_in(cell: Any, bundle: dict[str, Any]) -> Any:
    """Display a bundle in a cell (None: that of the context); give its `DisplayHandle`."""
    from IPython.display import DisplayHandle, display

    publisher: Any = getattr(_shell(), "display_pub", None)
    if cell is None or not hasattr(publisher, "pub_socket"):
        return display(bundle, raw=True, display_id=True)
    handle = DisplayHandle()
    content = {"data": bundle, "metadata": {}, "transient": {"display_id": handle.display_id}}
    publisher._flush_streams()
    publisher.session.send(
        publisher.pub_socket, "display_data", content, parent=cell, ident=publisher.topic
    )
    return handle


def follow_frontend(widget: Any) -> None:
    """Have a widget's messages handled by the subshell that the page sends them to.

    ipykernel 7.4.0 sends each to the shell that last published on the comm instead: the
    main shell, which the cell blocks.  No upstream issue was found; this can go once
    ``BaseComm._reply_subshell_for`` is gone or leaves a request of its own alone.
    """
    comm: Any = getattr(widget, "comm", None)
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default


def pump_comms(comm_id: str) -> None:
    """Handle what has come for one comm, in the main thread, in the middle of a cell.

    Other messages, and other widgets', stay queued behind the cell in their order.  Can go
    when ipykernel 6 is no longer supported and front-ends can't switch subshells off
    (jupyterlab#19719 may switch them off by default).
    """
    kernel = _kernel()
    if kernel is None or threading.current_thread() is not threading.main_thread():
        return
    try:
        stream = _main_shell_stream(kernel)
        receive = stream._recv_callback
        if receive is None or not hasattr(kernel, "shell_handlers"):
            return
    except (AttributeError, ImportError):  # an ipykernel that is not known here
        return
    held: list[Any] = []
    try:
        while stream.socket.poll(0):
            frames = stream.socket.recv_multipart(copy=False)
            held.append(frames)
            if _handle(kernel, stream, frames, comm_id):
                held.pop()
    finally:
        for frames in held:
            _queue(kernel, receive, frames)


def _main_shell_stream(kernel: Any) -> Any:
    """Give the stream that the main shell's messages come by."""
    if getattr(kernel, "shell_channel_thread", None) is None:
        return kernel.shell_stream
    from ipykernel.eventloops import get_shell_stream  # ipykernel 7: from another thread

    return get_shell_stream(kernel)


def _handle(kernel: Any, stream: Any, frames: Any, comm_id: str) -> bool:
    """Handle a message if it is for the comm; give whether it was."""
    session = kernel.session
    try:
        idents, rest = session.feed_identities(frames, copy=False)
        # Only peek: a message that was unpacked once is refused as a replay the next time.
        header = session.deserialize(rest, content=False, copy=False)["header"]
        if header["msg_type"] != "comm_msg" or session.unpack(rest[4].bytes)["comm_id"] != comm_id:
            return False
        message = session.deserialize(rest, content=True, copy=False)
    except Exception:  # not a message as we know it: the kernel's to judge
        return False
    kernel.shell_handlers["comm_msg"](stream, idents, message)
    return True


def _queue(kernel: Any, receive: Any, frames: Any) -> None:
    """Put back a message that is not ours, as if it had just been received."""
    if hasattr(kernel, "msg_queue"):
        # ipykernel 6: this only puts it on that queue.  Not later: should the cell raise,
        # the messages on the queue are the ones that are aborted.
        receive(frames)
    else:
        kernel.io_loop.add_callback(receive, frames)
