"""The app without a server: page, network and gallery as static files.

Photos are looked at in the browser, by the arithmetic that the server has.
"""

from verger.app.export import Exported, export_app

__all__ = ["Exported", "export_app"]
