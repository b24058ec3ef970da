"""A progress bar that leaves standard output alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(count: int) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """A bar on standard error for many items in a terminal; what is said goes to standard output above it."""
    if count < 2 or not sys.stderr.isatty():
        yield (lambda: None), print
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=count)
        if sys.stdout.isatty():
            # Both streams are the same terminal: lines must go through the bar's console to stand above it.
            yield (
                (lambda: bar.advance(task)),
                lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
            )
        else:
            yield (lambda: bar.advance(task)), print


@contextmanager
def frame_progress(count: int | None) -> Iterator[Callable[[], None]]:
    """A bar on standard error for the frames of a video in a terminal, with frames per second and the time left.

    Args:
        count: how many there will be; None if unknown.
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class FramesPerSecond(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f} frames/s")

    columns = (BarColumn(), MofNCompleteColumn(), FramesPerSecond(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=count)
        yield lambda: bar.advance(task)
