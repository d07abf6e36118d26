"""What all panels of the guided path share: a widget and, beside it, the same as plain HTML.

A saved widget is blank in an untrusted notebook and in exported HTML. So each panel leaves its
content as plain HTML too, which the widget hides while it is alive.
"""

from __future__ import annotations

import html
import uuid
from typing import Any

import ipywidgets

from rwlib.display import Shown, page_parts
from rwlib.widgets.guided import is_guided

__all__ = ["is_guided"]


STORED = (
    "This is what was shown when the notebook was saved; nothing here can be clicked. To go on, "
    "run all cells: menu Run, Run All Cells."
)


class Panel:
    """A widget with its twin in plain HTML.

    Parameters
    ----------
    guided
        False shows the twin alone, which is what papermill and readers get.
    """

    says_stored = False
    brings_style = True

    def __init__(self, *, guided: bool) -> None:
        self.guided = guided
        self.box = ipywidgets.VBox(layout=ipywidgets.Layout(width="100%", overflow="visible"))
        self.box.add_class("rw-live")
        self.shown = Shown("", "")
        self._handle: Any = None

    def show(self, shown: Shown) -> None:
        """Replace the twin, on the page too once it stands there."""
        self.shown = shown
        if self._handle is not None:
            self._handle.update(self._twin())

    def _twin(self) -> Shown:
        if not self.guided:
            return self.shown
        # Seen only where no widget is alive: after a reload with another kernel, and on the web.
        said = f'<p class="rw-note">{STORED}</p>' if self.says_stored else ""
        style = str(page_parts().style())
        body = f'{style}<div class="rw">{said}</div>' if said else ""
        # The browser looks at the whole page anew for each style that it meets.
        shown = self.shown.html if self.brings_style else self.shown.html.replace(style, "")
        return Shown(self.shown.text, f'<div class="rw-twin">{body}{shown}</div>')

    def __repr__(self) -> str:
        return self.shown.text

    def _ipython_display_(self) -> None:
        from IPython.display import display

        show: Any = display
        if not self.guided:
            show(self.shown)
            return
        show(self.box)
        self._handle = show(self._twin(), display_id=uuid.uuid4().hex)


# Only where a widget is alive is there this style, and only then is the twin hidden.
_HIDE_TWINS = (
    "<style>.rw-twin{display:none}"
    ".rw-field .widget-label{display:block;width:auto!important;max-width:none;text-align:left;"
    "font-weight:600;height:auto;line-height:1.4;overflow:visible;white-space:normal}"
    ".rw-field .widget-text,.rw-field .widget-combobox,.rw-field .widget-dropdown{"
    "flex-direction:column;align-items:stretch;height:auto;width:auto;max-width:46rem;margin:0}"
    ".rw-field input[type=text],.rw-field select{width:100%;height:30px;flex:none}"
    ".rw-field{margin:0 0 .5rem;overflow:visible}.rw-live .widget-html{margin:0;overflow:visible}"
    ".rw-live .widget-html-content{line-height:1.45;height:auto;font-size:14px}"
    ".rw-live .jupyter-button{min-width:9rem;width:auto;height:32px;line-height:32px;"
    "font-size:14px;padding:0 1rem;align-self:flex-start;margin:.4rem 0}"
    ".rw-live .jupyter-button:focus-visible,"
    ".rw-live input:focus-visible,.rw-live select:focus-visible{outline:2px solid #2f6fd0;"
    "outline-offset:1px}.rw-live .jupyter-button.mod-primary{background:#1f4f99;color:#fff}"
    ".rw-live .jupyter-button.mod-warning{background:#8a4b00;color:#fff}"
    ".rw-live .jupyter-button:disabled{background:var(--jp-layout-color1);opacity:1;"
    "color:var(--jp-ui-font-color2);box-shadow:inset 0 0 0 1px var(--jp-border-color1);"
    "cursor:not-allowed}.rw-live .widget-checkbox{width:auto;max-width:none}"
    ".rw-live .widget-checkbox .widget-label-basic{width:auto;max-width:none;height:24px;"
    "line-height:24px}.rw-live .widget-checkbox{height:24px}"
    # Its own arrow is black in every theme.
    "[data-jp-theme-light='false'] .rw-field select{--jp-widgets-dropdown-arrow:url(\"data:image/"
    "svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E%3Cpath fill='%23ddd'"
    " d='M5.2 5.9 9 9.7l3.8-3.8 1.2 1.2-4.9 5-5.1-5z'/%3E%3C/svg%3E\")}"
    ".rw-waiting{align-items:center;gap:.6rem;margin-left:.6rem;overflow:visible}"
    ".rw-live .widget-radio-box{width:auto}.rw-live .widget-radio{width:auto}</style>"
)


_looks: dict[type[ipywidgets.Widget], dict[str, ipywidgets.Widget]] = {}


def shared_look(kind: type[ipywidgets.Widget]) -> dict[str, ipywidgets.Widget]:
    """Return the layout and the style that all plain widgets of a kind have in common.

    A widget makes one of each for itself where it is given none, and each of the three travels to
    the browser on its own. What hides itself needs a layout of its own.
    """
    look = _looks.get(kind, {})
    if not look or any(each.comm is None for each in look.values()):
        traits = kind.class_traits()
        look = {name: traits[name].klass() for name in ("layout", "style") if name in traits}
        _looks[kind] = look
    return look


def looking_alike(kind: type[ipywidgets.Widget], **traits: Any) -> Any:
    """Return a widget that looks like all others of its kind; see `shared_look`."""
    return kind(**traits, **shared_look(kind))


def page(body: str = "", *, first: bool = False) -> ipywidgets.HTML:
    """Return a widget that shows a part of the page."""
    widget = looking_alike(ipywidgets.HTML)
    fill(widget, body, first=first)
    return widget


def fill(widget: ipywidgets.HTML, body: str, *, first: bool = False) -> None:
    """Show HTML in a widget, with the page's style when it stands first in its panel."""
    style = f"{page_parts().style()}{_HIDE_TWINS}" if first else ""
    widget.value = f'{style}<div class="rw">{body}</div>' if body or style else ""


_style: list[ipywidgets.HTML] = []


def style() -> ipywidgets.HTML:
    """Return the widget that brings the style and hides the twins: one, shown in every panel."""
    if not _style or _style[0].comm is None:
        _style[:] = [page(first=True)]
    return _style[0]


def note(text: str, kind: str = "") -> str:
    """Return a sentence as a part of the page, empty for no text."""
    return str(page_parts().note(text, kind)) if text else ""


def marked(text: str) -> str:
    """Return a sentence as HTML, with what stands between backticks as code."""
    from markupsafe import Markup

    return str(page_parts().said(Markup(html.escape(text))))


def small(text: str, kind: str = "") -> str:
    """Return a line under a field; a fault is told to screen readers at once."""
    if not text:
        return ""
    role = ' role="alert"' if kind == "fail" else ""
    mark = "✗ " if kind == "fail" else ""
    return f'<span class="rw-{kind or "soft"}"{role}>{mark}{marked(text)}</span>'
