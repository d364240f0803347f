# SPDX-License-Identifier: GPL-3.0-or-later
"""Plug-in of Nion Swift: live views and stacks, denoised by models of n2v_stem_keras."""

from .panel import PanelDelegate


class N2VStemExtension:
    """What Swift finds and loads."""

    extension_id = "n2v_stem_keras.nion_swift"

    def __init__(self, api_broker):
        api = api_broker.get_api(version="1", ui_version="1")
        self._delegate = PanelDelegate(api)
        self._panel = api.create_panel(self._delegate)  # lives as long as it is referred to

    def close(self):
        """Take the panel away."""
        self._delegate.close()
        self._panel.close()
        self._panel = None
