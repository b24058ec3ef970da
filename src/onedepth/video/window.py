"""A window that shows the newest picture, where there is a display and Python has Tk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onedepth.errors import OnedepthError

if TYPE_CHECKING:
    import av


class Window:
    """A window of the picture's size.

    Attributes:
        address: what it is, for messages.
        closed: whether the user has closed it.
    """

    address = "a window"

    def __init__(self) -> None:
        """Open it.

        Raises:
            OnedepthError: there is no display, or no Tk.
        """
        try:
            import tkinter
        except ImportError as error:
            raise OnedepthError(
                "a window needs Python's tkinter (Debian: apt install python3-tk; Homebrew: brew install python-tk); "
                "or take --show page"
            ) from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise OnedepthError(f"a window needs a display ({error}), or take --show page") from error
        self.closed = False
        self._root.configure(background="#121418")
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._root.bind("<Escape>", lambda _event: self._close())
        self._root.bind("q", lambda _event: self._close())
        self._picture: tkinter.PhotoImage | None = None

    def show(self, frame: av.VideoFrame, text: str) -> None:
        """Put a picture in the place of the last one, with a line in the title."""
        import tkinter

        rgb = np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
        ppm = b"P6 %d %d 255 " % (frame.width, frame.height) + rgb.tobytes()
        self._picture = tkinter.PhotoImage(data=ppm, format="PPM")  # kept, or Tk shows nothing
        self._label.configure(image=self._picture)
        self._root.title(f"onedepth: {text}")
        self._root.update()

    def close(self) -> None:
        """Take it away."""
        self._root.destroy()

    def _close(self) -> None:
        self.closed = True
