"""Agents over gRPC: the protocol of `synapse.proto`, with health, reflection, TLS and tokens.

docs/gateway.md says what is promised. Importing this room needs the extra `grpc`.
"""

from . import _extra as _extra
from . import synapse_pb2 as synapse_pb2
from . import synapse_pb2_grpc as synapse_pb2_grpc
from ._credentials import TLS as TLS
from ._server import GRPCServer as GRPCServer
from ._service import TooManyCalls as TooManyCalls
