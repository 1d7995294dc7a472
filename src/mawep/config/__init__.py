"""The configuration: read and checked once, whole; plain values are handed onward."""

from mawep.config.load import RUN_SECTIONS, load_config, load_members
from mawep.config.model import Config
from mawep.config.template import default_config_text

__all__ = ["RUN_SECTIONS", "Config", "default_config_text", "load_config", "load_members"]
