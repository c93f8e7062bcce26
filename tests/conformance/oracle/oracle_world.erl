%% What the driver and the processes of one scenario share: facts by key, and the events they report.
%%
%%   {pid, Id} {id, Pid}              who is who
%%   {gate, Pid}                      the gate that a process waits at
%%   {blocked, Pid}                   it waits inside a callback: `still' for others, `briefly' for a time to pass
%%   {idle, Pid}                      a short idle time runs
%%   {from, N} {monitor, N} {timer, N}, and {name, Ref} back
%%   prefix, driver                   what makes registered names of this scenario its own; the driver's pid
-module(oracle_world).
-export([new/1, current/0, enter/1, fact/1, fact/2, set/2, drop/1, find/1, note/1, events/0, hello/1, hello/2]).
-export([pids/0, id/1, target/1, atom/1, plain_name/1, jitter/0]).

new(Prefix) ->
    enter({ets:new(facts, [set, public]), ets:new(events, [ordered_set, public])}),
    set(prefix, Prefix),
    set(driver, self()).

current() -> get(world).
enter(World) -> put(world, World), ok.

facts() -> element(1, current()).
fact(Key) -> ets:lookup_element(facts(), Key, 2).
fact(Key, Default) -> case ets:lookup(facts(), Key) of [{_, Value}] -> Value; [] -> Default end.
set(Key, Value) -> ets:insert(facts(), {Key, Value}), ok.
drop(Key) -> ets:delete(facts(), Key), ok.
find(Pattern) -> ets:match_object(facts(), Pattern).

%% The stamp comes from the counter that also stamps traced exits: cause sorts before effect.
note(Event) ->
    ets:insert(element(2, current()), {erlang:unique_integer([monotonic]), [id(self()) | Event]}), ok.

%% What was reported since the last time, each event with its stamp.
events() ->
    Table = element(2, current()),
    Events = ets:tab2list(Table),
    ets:delete_all_objects(Table),
    Events.

hello(Id) -> hello(Id, self()).
hello(Id, Pid) -> set({id, Pid}, Id), set({pid, Id}, Pid).

pids() -> [Pid || {{id, Pid}, _} <- find({{id, '_'}, '_'})].

id(Pid) -> fact({id, Pid}, <<"outside">>).

%% The pid of "a", the atom of "@name".
target(<<"@", Name/binary>>) -> atom(Name);
target(Id) -> fact({pid, Id}).

atom(Name) -> binary_to_atom(<<(fact(prefix))/binary, Name/binary>>).
plain_name(Atom) -> binary:replace(atom_to_binary(Atom), fact(prefix), <<"@">>).

%% Something to disturb the order in which processes run.
jitter() ->
    case persistent_term:get(jitter) andalso rand:uniform(6) of
        1 -> erlang:yield();
        2 -> erlang:bump_reductions(rand:uniform(4000));
        3 -> timer:sleep(0);
        4 -> timer:sleep(rand:uniform(3));
        5 -> process_flag(priority, lists:nth(rand:uniform(3), [low, normal, high]));
        _ -> ok
    end,
    ok.
