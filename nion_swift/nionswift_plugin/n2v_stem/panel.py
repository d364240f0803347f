# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel: which model, which channels, start and stop, a stack, and how fast it is."""

import threading

from n2v_stem_keras import open_model

from . import channels, stack
from .live import LiveView

REFERENCE = "n2v-stem-live"  # key of the data items that show a live view
DEFAULT_MODEL = "graphene-au-live"


class PanelDelegate:
    """What Swift asks for a panel.

    Parameters
    ----------
    api : Facade.API_1
    """

    panel_id = "n2v-stem-panel"
    panel_name = "Noise2Void for STEM"
    panel_positions = ("left", "right")
    panel_position = "right"

    def __init__(self, api):
        self.api, self.live = api, None
        self._models, self._lock = {}, threading.Lock()
        self._shown, self._window = None, None

    # -- widgets ---------------------------------------------------------------------------------
    def create_panel_widget(self, ui, document_window):
        """Return the panel; Swift calls it once for each window."""
        self._window = document_window
        self.model_field = ui.create_line_edit_widget(DEFAULT_MODEL)
        self.source_chooser = ui.create_combo_box_widget(self._scans())
        self.channel_field = ui.create_line_edit_widget("ADF=HAADF, BF=MAADF")
        self.live_button = ui.create_push_button_widget("Start")
        self.stack_button = ui.create_push_button_widget("Denoise stack")
        self.status = ui.create_label_widget(f"Models: {', '.join(ready_made())}")
        column = ui.create_column_widget()
        rows = {
            "Model": self.model_field,
            "Scan": self.source_chooser,
            "Detectors": self.channel_field,
        }
        for name, widget in rows.items():
            row = ui.create_row_widget()
            row.add(ui.create_label_widget(name))
            row.add_spacing(8)
            row.add(widget)
            column.add(row)
        buttons = ui.create_row_widget()
        buttons.add(self.live_button)
        buttons.add_spacing(8)
        buttons.add(self.stack_button)
        buttons.add_stretch()
        column.add(buttons)
        column.add(self.status)
        column.add_stretch()
        self.live_button.on_clicked = self.start_or_stop
        self.stack_button.on_clicked = self.denoise_stack
        return column

    def close(self):
        """End what runs; called when the panel or the plug-in goes."""
        if self.live:
            self.live.stop()

    def _scans(self):
        """Return the scans among the hardware, or all of it where none says so."""
        ids = sorted(self.api.get_all_hardware_source_ids())
        return [name for name in ids if "scan" in name.lower()] or ids

    def say(self, text):
        """Show a line, from any thread."""
        self._later(lambda: setattr(self.status, "text", text))

    def _later(self, task):
        self._window.queue_task(task)

    # -- models ----------------------------------------------------------------------------------
    def opened(self):
        """Return the model that is named, opened once; without TensorFlow."""
        name = self.model_field.text.strip()
        with self._lock:
            if name not in self._models:
                self._models = {name: open_model(name, "onnx")}
            return self._models[name]

    def _channels(self, model):
        return channels.parse(self.channel_field.text, model.config.channels)

    # -- live ------------------------------------------------------------------------------------
    def start_or_stop(self):
        """Start a live view, or stop the one that runs."""
        if self.live:
            self.live.stop()
            self._end(self.live, "")
            return
        try:
            model = self.opened()
            of = self._channels(model)
            source = self.api.get_hardware_source_by_id(self.source_chooser.current_item, "~1.0")
            if source is None:
                raise channels.ChannelError("no scan is there to look at")
        except Exception as error:  # whatever it is, it belongs into the panel
            self.say(str(error))
            return
        self.live = LiveView(source, model, of, self._show, self._ended)
        self.live_button.text = "Stop"
        self.live.start()

    def _show(self, found):
        """Put a denoised frame into its data items; the last one, if Swift is behind."""
        with self._lock:
            is_waiting, self._shown = self._shown is not None, found
        if not is_waiting:
            self._later(self._show_last)

    def _show_last(self):
        with self._lock:
            found, self._shown = self._shown, None
        live = self.live
        if not found or not live:
            return
        for name, (xdata, data) in found.items():
            key = f"{REFERENCE}-{name}"
            item = self._window.library.get_data_item_for_reference_key(key, create_if_needed=True)
            item.xdata = channels.like(self.api, xdata, data, live.model.name)
            if item.title != f"{name} (live, denoised)":
                item.title = f"{name} (live, denoised)"
        self.status.text = _lines(live.report)

    def _ended(self, live, reason):
        self._later(lambda: self._end(live, reason))

    def _end(self, live, reason):
        """Be ready for another view, if this one is still shown."""
        if live is self.live:
            self.live = None
            self.live_button.text = "Start"
            self.status.text = reason or _lines(live.report)

    # -- stacks ----------------------------------------------------------------------------------
    def denoise_stack(self):
        """Denoise the data items that are selected, or shown, into new ones, in a thread."""
        try:
            model = self.opened()
            found = stack.detectors_of(self._selected(), self._channels(model))
        except Exception as error:
            self.say(str(error))
            return None
        self.say("Denoising ...")
        thread = threading.Thread(target=self._denoise, args=(model, found), daemon=True)
        thread.start()
        return thread

    def _selected(self):
        window = self._window._document_window
        return [self._item(display.data_item) for display in window.selected_display_items]

    def _item(self, data_item):
        return self._window.library.get_data_item_by_uuid(data_item.uuid)

    def _denoise(self, model, found):
        try:
            made = stack.denoised(self.api, model, found)
        except Exception as error:  # in a thread nobody else would see it
            self.say(f"{type(error).__name__}: {error}")
            return

        def add():
            for name, xdata in made.items():
                title = f"{name} (denoised)"
                self._window.library.create_data_item_from_data_and_metadata(xdata, title)
            self.status.text = f"Denoised {next(iter(found.values())).data.shape}"

        self._later(add)


def _lines(report):
    """Lay a report out for a narrow panel."""
    return str(report).replace("; ", "\n")


def ready_made():
    """Return the names of the ready-made models that have an export."""
    from n2v_stem_keras.folder import pretrained
    from n2v_stem_keras.folder.folder import EXPORT

    return [name for name in pretrained.names() if (pretrained.find(name) / EXPORT).exists()]
