"""The main loop of a worker that is a sub-interpreter: it serves chunks until it is closed."""

from __future__ import annotations

import _thread
import os
import queue
import threading
import time
from typing import Any

from ..system import at_exit, subinterpreter
from . import task_cache
from .channel import channel, close_channels
from .entry import run_packed
from .envelope import Envelope, PackedCall

FORGET = "forget"  # a job: drop the tasks of runs that have ended
LOOK, LOOKS = 0.01, 50  # seconds, and times, in which a thread that ends is forgotten


def serve(
    number: int, folder: str | None, jobs: Any, replies: Any, knocks: int, answers: int
) -> bool:
    """Run the jobs of a queue until None comes; give whether nothing of the worker is left.

    The queues are of `concurrent.interpreters`.  To wait they ask a hundred times a second:
    so a byte through the descriptor `knocks` says that there is a job, and one through
    `answers` that there is a reply.  The first reply says that chunks can be served.
    """
    subinterpreter.number, subinterpreter.thread = number, threading.get_ident()
    if folder is not None:
        channel(folder)
    replies.put(None)
    os.write(answers, b"\0")
    while True:
        os.read(knocks, 1)
        try:
            job = jobs.get_nowait()
        except queue.Empty:  # it was taken back
            continue
        if job is None:
            break
        if job == FORGET:
            task_cache.forget()
        else:
            replies.put(_reply(*job))
            os.write(answers, b"\0")
        del job
    return _tidied()


def _reply(number: int, envelope: Any, call: Any) -> tuple[int, bytes]:
    return number, run_packed(PackedCall._make((*call, Envelope(*envelope))))


def _tidied() -> bool:
    """Close what nbexec has here, join threads that items left, and say whether none is left.

    With one that an item began by `_thread`, the interpreter's end would be the process's.
    """
    at_exit.run()  # of runs within items
    close_channels()
    for thread in threading.enumerate():
        if thread not in (threading.main_thread(), threading.current_thread()):
            thread.join()  # what is called the main one here is the kernel's
    for _ in range(LOOKS):
        if not _thread._count():
            return True
        time.sleep(LOOK)
    return False
