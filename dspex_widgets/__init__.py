"""What a notebook shows of a run: the live widget, its frozen form, the report and the magics.

Importing this needs neither IPython nor a widget library; they come with the first run that is shown.
"""

from dspex_widgets.freeze import freeze
from dspex_widgets.show import settle, show

__all__ = ["freeze", "settle", "show"]
