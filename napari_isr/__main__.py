"""``python -m napari_isr`` is the command ``napari-isr``."""

from napari_isr._cli import main

main()
