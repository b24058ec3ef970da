"""Names of results: never two alike, and the plain one where it will do."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from onedepth.inputs import result_names

parts = st.text("aAbx._2", min_size=1, max_size=4).filter(lambda text: text.strip("."))
paths = st.builds(
    lambda folder, name, suffix: Path(folder) / f"{name}{suffix}", parts, parts, st.sampled_from([".jpg", ".png", ""])
)


@given(st.lists(paths, unique=True, max_size=12))
def test_no_two_alike_on_any_file_system(some):
    names = result_names(some)
    assert list(names) == some
    assert len({name.casefold() for name in names.values()}) == len(some)
    assert all(name and "/" not in name for name in names.values())


@given(st.lists(st.integers(0, 99), unique=True))
def test_different_stems_are_kept(numbers):
    some = [Path(f"photos/IMG_{number:02}.jpg") for number in numbers]
    assert result_names(some) == {path: path.stem for path in some}
