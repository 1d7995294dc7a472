"""The servers and participants that these tests share."""

from tests.support.participants import bus_of as bus_of
from tests.support.participants import keyring as keyring
from tests.support.servers import bus_url as bus_url
from tests.support.servers import connection as connection
from tests.support.servers import run as run
