"""What crosses an edge: the requests of a server as validated JSON, its protocol as JSON Schema, its errors as data.

All of it follows from the handlers' signatures; inside the event loop nothing is validated. Importing this room loads
pydantic; `import axon` does not.
"""

from ._boxed import BoxedError as BoxedError
from ._errors import BadMessage as BadMessage
from ._errors import InvalidSchema as InvalidSchema
from ._errors import NotOnWire as NotOnWire
from ._errors import Problem as Problem
from ._errors import RemoteError as RemoteError
from ._errors import UnknownMethod as UnknownMethod
from ._errors import UnknownVersion as UnknownVersion
from ._errors import WireError as WireError
from ._frames import frame_of as frame_of
from ._frames import value_in as value_in
from ._interface import Interface as Interface
from ._interface import Migration as Migration
from ._method import Method as Method
from ._method import Unknown as Unknown
from ._method import method_of as method_of
from ._request import Request as Request
from ._schema import JSONSchema as JSONSchema
