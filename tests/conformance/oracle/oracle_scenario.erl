%% One scenario: its processes, its steps, and the trace of what happened.
-module(oracle_scenario).
-export([run/2]).

run(Number, Scenario = #{<<"name">> := Name, <<"steps">> := Steps}) ->
    process_flag(trap_exit, true),
    oracle_world:new(iolist_to_binary(io_lib:format("scenario~w_", [Number]))),
    oracle_world:hello(<<"driver">>),
    oracle_world:drop({id, self()}),
    Tracer = spawn_link(fun() -> collect_exits([]) end),
    erlang:trace(self(), true, [procs, set_on_spawn, strict_monotonic_timestamp, {tracer, Tracer}]),
    [oracle_group:start(Scope) || Scope <- maps:get(<<"scopes">>, Scenario, [])],
    Specs = [plain(Spec) || Spec <- maps:get(<<"plain">>, Scenario, [])] ++ maps:get(<<"servers">>, Scenario, []),
    Order = maps:get(<<"order">>, Scenario, <<"total">>),
    Begin = [[<<"start">>, Spec] || Spec <- Specs],
    Trace = [begin step(Step), close(Tracer, Order) end || Step <- [[<<"at_once">>, Begin] | Steps]],
    Alive = lists:sort([oracle_world:id(Pid) || Pid <- oracle_world:pids(), is_process_alive(Pid)]),
    erlang:trace(self(), false, [all]),
    clean_up([Tracer | oracle_group:scopes()] ++ oracle_world:pids()),
    #{<<"name">> => Name, <<"trace">> => Trace, <<"alive">> => Alive}.

plain(Id) when is_binary(Id) -> plain(#{<<"id">> => Id});
plain(Spec) -> Spec#{<<"kind">> => <<"plain">>}.

clean_up(Pids) ->
    [begin
         unlink(Pid),
         Ref = monitor(process, Pid),
         exit(Pid, kill),
         receive {'DOWN', Ref, _, _, _} -> gone end
     end || Pid <- Pids].

%%% ----------------------------------------------------------------- steps

step([<<"do">>, Id, Actions]) ->
    case oracle_world:target(Id) of
        Pid when is_pid(Pid) -> tell(Pid, Actions)
    end;
step([<<"info">>, Id, Actions]) -> oracle_world:target(Id) ! {do, Actions};
step([<<"tell">>, Id, Text]) -> oracle_world:target(Id) ! Text;
step([<<"open">>, Gate]) ->
    Waiting = [Pid || {{gate, Pid}, G} <- oracle_world:find({{gate, '_'}, Gate}), G =:= Gate],
    [begin oracle_world:drop({gate, Pid}), Pid ! {open, Gate} end || Pid <- Waiting, is_process_alive(Pid)];
step([<<"exit">>, Id, Reason]) ->
    Pid = oracle_world:target(Id),
    R = oracle_text:reason(Reason),
    {_, Ref} = spawn_monitor(fun() -> exit(Pid, R) end),
    receive {'DOWN', Ref, _, _, _} -> sent end;
step([<<"wait">>, Ms]) -> timer:sleep(Ms);
step([<<"start">>, Spec]) ->
    Answer = oracle_process:start(Spec, start),
    Answer =:= ok orelse exit({start, Spec, Answer});
step([<<"at_once">>, Steps]) -> [step(Step) || Step <- Steps].

tell(Pid, Actions) ->
    case process_info(Pid, initial_call) of
        {initial_call, {proc_lib, init_p, 5}} -> gen_server:cast(Pid, {do, Actions});
        _ -> Pid ! {do, Actions}
    end.

%%% ----------------------------------------------------------------- trace

close(Tracer, Order) ->
    oracle_rest:wait(),
    Delivered = erlang:trace_delivered(all),
    receive {trace_delivered, all, Delivered} -> ok end,
    Tracer ! {take, self()},
    Exits = receive {exits, Found} -> Found end,
    Ended = [{Stamp, [oracle_world:id(Pid), <<"ended">>, oracle_text:show(Reason)]}
             || {Stamp, Pid, Reason} <- Exits, oracle_world:id(Pid) =/= <<"outside">>],
    canonical(Order, [Event || {_, Event} <- lists:sort(oracle_world:events() ++ Ended)]).

collect_exits(Found) ->
    receive
        {trace_ts, Pid, exit, Reason, {_, Stamp}} -> collect_exits([{Stamp, Pid, Reason} | Found]);
        {take, From} -> From ! {exits, Found}, collect_exits([]);
        _ -> collect_exits(Found)
    end.

%%% ---------------------------------------------- what OTP leaves open, sorted

canonical(<<"total">>, Events) -> Events;
canonical(<<"process">>, Events) -> by(fun([Id | _]) -> Id end, Events);
canonical(<<"source">>, Events) ->
    Ended = [Id || [Id, <<"ended">>, _] <- Events],
    Heard = [E || E = [Id | _] <- Events, not (is_received(E) andalso lists:member(Id, Ended))],
    by(fun(E = [Id, Kind | _]) ->
               case is_received(E) of
                   true -> {Id, 2, E};
                   false when Kind =:= <<"terminate">>; Kind =:= <<"ended">> -> {Id, 3, []};
                   false -> {Id, 1, []}
               end
       end, Heard).

is_received([_, Kind | _]) ->
    lists:member(Kind, [<<"exit">>, <<"down">>, <<"got">>, <<"idle">>, <<"timer">>, <<"joined">>, <<"left">>, <<"stray">>]).

by(Key, Events) ->
    Numbered = lists:zip3([Key(E) || E <- Events], lists:seq(1, length(Events)), Events),
    [Event || {_, _, Event} <- lists:sort(Numbered)].
