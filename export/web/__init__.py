"""A page that runs an exported model on its visitors' own machines."""

from iic_tf.export.web.web_folder import MARK, export_web, web_notes

__all__ = ["MARK", "export_web", "web_notes"]
