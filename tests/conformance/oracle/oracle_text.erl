%% Reasons as scenarios and traces write them (SCENARIOS.md).
-module(oracle_text).
-export([reason/1, show/1, exited/1]).

reason(<<"{shutdown,", Rest/binary>>) -> {shutdown, reason(binary:part(Rest, 0, byte_size(Rest) - 1))};
reason(Text) -> binary_to_atom(Text).

%% What a request exits with, without the call that it names.
exited({Reason, {Module, _, _}}) when Module =:= gen_server; Module =:= sys -> <<"{exit,", (show(Reason))/binary, "}">>;
exited(Reason) -> <<"{exit,", (show(Reason))/binary, "}">>.

show(Atom) when is_atom(Atom) -> atom_to_binary(Atom);
show(Text) when is_binary(Text) -> Text;
show(Number) when is_integer(Number) -> integer_to_binary(Number);
show({already_started, Pid}) when is_pid(Pid) -> <<"already_started">>;
show({Reason, {Module, _, _}}) when Module =:= gen_server; Module =:= sys -> <<"{", (show(Reason))/binary, ",call}">>;
show({Reason, [Frame | _]}) when tuple_size(Frame) =:= 4 -> <<"crash:", (show(Reason))/binary>>;
show(Tuple) when is_tuple(Tuple) ->
    iolist_to_binary(["{", lists:join(",", [show(Term) || Term <- tuple_to_list(Tuple)]), "}"]);
show(Other) -> iolist_to_binary(io_lib:format("~0p", [Other])).
