%% JSON, which OTP has only since version 27: objects are maps, strings binaries, null an atom. ASCII, no fractions.
-module(oracle_json).
-export([decode/1, encode/1]).

decode(Text) ->
    {Value, Rest} = value(blank(Text)),
    <<>> = blank(Rest),
    Value.

blank(<<C, Rest/binary>>) when C =:= $\s; C =:= $\t; C =:= $\n; C =:= $\r -> blank(Rest);
blank(Text) -> Text.

value(<<"{", Rest/binary>>) -> object(blank(Rest), #{});
value(<<"[", Rest/binary>>) -> array(blank(Rest), []);
value(<<"\"", Rest/binary>>) -> string(Rest, <<>>);
value(<<"true", Rest/binary>>) -> {true, Rest};
value(<<"false", Rest/binary>>) -> {false, Rest};
value(<<"null", Rest/binary>>) -> {null, Rest};
value(Text) ->
    {match, [{0, Length}]} = re:run(Text, "^-?[0-9]+", [{capture, first}]),
    <<Number:Length/binary, Rest/binary>> = Text,
    {binary_to_integer(Number), Rest}.

object(<<"}", Rest/binary>>, Made) -> {Made, Rest};
object(<<"\"", Text/binary>>, Made) ->
    {Key, AfterKey} = string(Text, <<>>),
    <<":", AfterColon/binary>> = blank(AfterKey),
    {Value, Rest} = value(blank(AfterColon)),
    object(comma(blank(Rest)), Made#{Key => Value}).

array(<<"]", Rest/binary>>, Made) -> {lists:reverse(Made), Rest};
array(Text, Made) ->
    {Value, Rest} = value(Text),
    array(comma(blank(Rest)), [Value | Made]).

comma(<<",", Rest/binary>>) -> blank(Rest);
comma(Text) -> Text.

string(<<"\"", Rest/binary>>, Made) -> {Made, Rest};
string(<<"\\", C, Rest/binary>>, Made) when C =:= $"; C =:= $\\; C =:= $/ -> string(Rest, <<Made/binary, C>>);
string(<<C, Rest/binary>>, Made) when C >= 32, C < 127, C =/= $\\ -> string(Rest, <<Made/binary, C>>).

encode(Text) when is_binary(Text) -> [$", [escaped(C) || <<C>> <= Text], $"];
encode(Number) when is_integer(Number) -> integer_to_list(Number);
encode(Atom) when Atom =:= true; Atom =:= false; Atom =:= null -> atom_to_list(Atom);
encode(Atom) when is_atom(Atom) -> encode(atom_to_binary(Atom));
encode(List) when is_list(List) -> [$[, lists:join($,, [encode(Item) || Item <- List]), $]];
encode(Map) when is_map(Map) ->
    [${, lists:join($,, [[encode(Key), $:, encode(Value)] || {Key, Value} <- lists:sort(maps:to_list(Map))]), $}].

escaped(C) when C =:= $"; C =:= $\\ -> [$\\, C];
escaped(C) when C >= 32, C < 127 -> C;
escaped(C) -> io_lib:format("\\u~4.16.0b", [C]).
