"""The page on which people name clusters: one HTML file that needs no server and no network."""

from iic_tf.export.page.content import Crop, Example, PageCluster, PageContent, Suggestion
from iic_tf.export.page.naming_page import naming_page

__all__ = ["Crop", "Example", "PageCluster", "PageContent", "Suggestion", "naming_page"]
