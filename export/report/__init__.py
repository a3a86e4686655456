"""All of a run on one page."""

from iic_tf.export.report.write import report_page, write_report

__all__ = ["report_page", "write_report"]
