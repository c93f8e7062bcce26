%% What a process can be told to do. SCENARIOS.md lists the actions.
-module(oracle_action).
-export([perform/2, blocked/2]).
-include("oracle.hrl").

perform(Actions, Turn) -> lists:foldl(fun act/2, Turn, Actions).

act([Verb | Arguments], Turn) ->
    oracle_world:jitter(),
    Name = binary_to_atom(Verb),
    case outcome(Name, Arguments, Turn) of
        none ->
            case do(Name, Arguments) of
                silent -> ok;
                seen -> oracle_world:note([Verb | shown(Name, Arguments)]);
                Value -> oracle_world:note([Verb | shown(Name, Arguments)] ++ [Value])
            end,
            Turn;
        Next -> Next
    end.

%%% ------------------------------------------- what the callback will return

outcome(add, [N], T) -> T#turn{state = T#turn.state + N};
outcome(state, [], T) -> oracle_world:note([<<"state">>, T#turn.state]), T;
outcome(reply, [V], T) -> T#turn{reply = {value, V}};
outcome(later, [Name], T) -> oracle_world:set({from, Name}, T#turn.from), T#turn{reply = later};
outcome(stop, [R], T) -> T#turn{stop = {reason, oracle_text:reason(R)}};
outcome(ignore, [], T) -> T#turn{stop = ignore};
outcome(return, [], T) -> T#turn{stop = {reason, normal}};
outcome(continue, [Actions], T) -> T#turn{then = {continue, Actions}};
outcome(idle, [Ms], T) ->
    Ms < ?LONG andalso oracle_world:set({idle, self()}, true),
    T#turn{then = Ms};
outcome(_, _, _) -> none.

%%% ---------------------------------------------------- what is done at once
%% The answer is the value that the process saw, `seen' if there is none, `silent' if nothing is to be told.

do(note, [_]) -> seen;
do(crash, [R]) -> error(oracle_text:reason(R));
do(exit, [R]) -> exit(oracle_text:reason(R));

do(wait, [Gate]) ->
    oracle_world:set({gate, self()}, Gate),
    blocked(infinity, fun() -> receive {open, Gate} -> silent end end);

do(answer, [Name, V]) -> gen_server:reply(oracle_world:fact({from, Name}), V), silent;
do(call, [To, Actions]) -> do(call, [To, Actions, ?PATIENCE]);
do(call, [To, Actions, Ms]) ->
    tried(fun() -> call(To, Actions, Ms) end);
do(must_call, [To, Actions]) -> call(To, Actions, ?PATIENCE);
do(must_call, [To, Actions, Ms]) -> call(To, Actions, Ms);
do(cast, [To, Actions]) -> ok = gen_server:cast(oracle_world:target(To), {do, Actions}), silent;
do(info, [To, Actions]) -> oracle_world:target(To) ! {do, Actions}, silent;
do(tell, [To, Text]) -> plain(fun() -> oracle_world:target(To) ! Text, silent end);

do(exit_to, [To, R]) -> exit(oracle_world:target(To), oracle_text:reason(R)), silent;
do(trap_exit, [Flag]) -> process_flag(trap_exit, Flag);
do(link, [To]) -> plain(fun() -> link(oracle_world:target(To)), ok end);
do(unlink, [To]) -> unlink(oracle_world:target(To)), silent;
do(monitor, [Name, To]) -> named(monitor, Name, monitor(process, oracle_world:target(To)));
do(demonitor, [Name]) -> demonitor(oracle_world:fact({monitor, Name}), [info]);
do(demonitor, [Name, <<"flush">>]) -> demonitor(oracle_world:fact({monitor, Name}), [info, flush]);

do(start, [Spec]) -> started(oracle_process:start(Spec, start));
do(start_link, [Spec]) -> started(oracle_process:start(Spec, start_link));
do(start_monitor, [Name, Spec]) -> started(oracle_process:start(Spec, {monitor, Name}));
do(stop_server, [To, R]) -> do(stop_server, [To, R, infinity]);
do(stop_server, [To, R, Ms]) ->
    tried(fun() -> blocked(Ms, fun() -> gen_server:stop(oracle_world:target(To), oracle_text:reason(R), Ms) end) end);
do(alive, [Id]) -> is_process_alive(oracle_world:target(Id));

do(register, [Name, Id]) -> plain(fun() -> register(oracle_world:atom(Name), oracle_world:target(Id)) end);
do(unregister, [Name]) -> plain(fun() -> unregister(oracle_world:atom(Name)) end);
do(whereis, [Name]) ->
    case whereis(oracle_world:atom(Name)) of undefined -> null; Pid -> oracle_world:id(Pid) end;

do(get_state, [To]) -> tried(fun() -> system(get_state, [To]) end);
do(replace_state, [To, {crash, R}]) -> tried(fun() -> system(replace_state, [To, fun(_) -> error(R) end]) end);
do(replace_state, [To, #{<<"crash">> := R}]) -> do(replace_state, [To, {crash, oracle_text:reason(R)}]);
do(replace_state, [To, N]) -> tried(fun() -> system(replace_state, [To, fun(_) -> N end]) end);
do(suspend, [To]) -> tried(fun() -> system(suspend, [To]) end);
do(resume, [To]) -> tried(fun() -> system(resume, [To]) end);

do(send_after, [Name, Ms, To, Text]) -> named(timer, Name, erlang:send_after(Ms, oracle_world:target(To), Text));
do(start_timer, [Name, Ms, To, Text]) -> named(timer, Name, erlang:start_timer(Ms, oracle_world:target(To), Text));
do(cancel_timer, [Name]) -> left(erlang:cancel_timer(oracle_world:fact({timer, Name})));
do(read_timer, [Name]) -> left(erlang:read_timer(oracle_world:fact({timer, Name})));

do(Verb, Arguments) -> oracle_group:do(Verb, Arguments).

call(To, Actions, <<"infinity">>) -> call(To, Actions, infinity);
call(To, Actions, Ms) -> blocked(Ms, fun() -> gen_server:call(oracle_world:target(To), {do, Actions}, Ms) end).

system(Function, [To | Arguments]) ->
    blocked(infinity, fun() -> apply(sys, Function, [oracle_world:target(To) | Arguments] ++ [infinity]) end).

%% Says of the process, while F runs, whether what it waits for may last.
blocked(Ms, F) ->
    Before = oracle_world:fact({blocked, self()}, no),
    oracle_world:set({blocked, self()}, if is_integer(Ms), Ms < ?LONG -> briefly; true -> still end),
    try F() after oracle_world:set({blocked, self()}, Before) end.

tried(F) ->
    try F()
    catch
        exit:R -> oracle_text:exited(R);
        error:{callback_failed, _, Raised} -> oracle_text:exited(element(2, Raised)) % {Class, Reason} and more
    end.

plain(F) ->
    try F() catch error:E when E =:= badarg; E =:= noproc -> E end.

named(Kind, Name, Ref) ->
    oracle_world:set({Kind, Name}, Ref),
    oracle_world:set({name, Ref}, Name),
    silent.

left(false) -> false;
left(Ms) when is_integer(Ms) -> true.

started(ignore) -> <<"ignore">>;
started(ok) -> <<"ok">>;
started({error, R}) -> <<"{error,", (oracle_text:show(R))/binary, "}">>.

%% Of the arguments those are shown that say what the value is about: whom was asked, which name.
shown(start_monitor, [_, Spec]) -> shown(start, [Spec]);
shown(Verb, [Spec]) when Verb =:= start; Verb =:= start_link -> [id(Spec)];
shown(_, [First | _]) when is_binary(First) -> [First];
shown(_, _) -> [].

id(#{<<"id">> := Id}) -> Id;
id(Id) -> Id.
