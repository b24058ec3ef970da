"""`python -m onedepth` is `onedepth`; for programs that start Python modules, such as torchrun."""

from onedepth.cli import main

if __name__ == "__main__":
    main()
