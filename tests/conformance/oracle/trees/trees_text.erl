%% Reasons as the scenarios write them, and JSON.

-module(trees_text).
-export([reason/1, show/1, exited/1, json/1]).

%% The reason that a scenario writes as this text.
reason(<<"{shutdown,", Rest/binary>>) -> {shutdown, reason(binary:part(Rest, 0, byte_size(Rest) - 1))};
reason(Text) -> binary_to_atom(Text).

%% A reason as the traces write it: no pids, no stacks, no specifications.
show(Atom) when is_atom(Atom) -> atom_to_binary(Atom);
show(Text) when is_binary(Text) -> Text;
show({Reason, {gen_server, call, _}}) -> iolist_to_binary([${, show(Reason), ",call}"]);
show({Reason, [{_, _, _, _} | _]}) -> <<"crash:", (show(Reason))/binary>>;  % with its stack
show({What, Child}) when element(1, Child) =:= child -> show(What);
show({start_spec, Error}) when is_tuple(Error) -> iolist_to_binary(["{start_spec,", show(element(1, Error)), $}]);
show({bad_combination, _}) -> <<"bad_combination">>;
show(Tuple) when is_tuple(Tuple) ->
    iolist_to_binary([${, lists:join($,, [show(Part) || Part <- tuple_to_list(Tuple)]), $}]).

%% The result of a request whose receiver exited.
exited(Reason) -> iolist_to_binary(["{exit,", show(Reason), $}]).

json(Text) when is_binary(Text) -> [$", re:replace(Text, "[\"\\\\]", "\\\\&", [global]), $"];
json(Number) when is_integer(Number) -> integer_to_list(Number);
json(Word) when Word =:= true; Word =:= false; Word =:= null -> atom_to_list(Word);
json(Atom) when is_atom(Atom) -> [$", atom_to_list(Atom), $"];
json(List) when is_list(List) -> [$[, lists:join($,, [json(Item) || Item <- List]), $]];
json(Map) -> [${, lists:join($,, [[json(Key), $:, json(Value)] || {Key, Value} <- maps:to_list(Map)]), $}].
