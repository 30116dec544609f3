"""``python -m napari_isr`` is the command ``napari-isr``."""

from napari_isr.cli.app import main

main()
