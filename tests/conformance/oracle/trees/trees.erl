%% Runs supervision scenarios on the real OTP and prints what happened, one JSON object a line, in the
%% order of the scenarios: {"name": ..., "trace": [...]} with the events as observed, or {"name": ..., "error": ...}.
%%
%%   erl -noshell -pa DIR -run trees main FILE JOBS DISTURB
%%
%% FILE holds the scenarios as Erlang terms (erlang.py writes it); JOBS of them run side by side. DISTURB is `true`
%% or `false`: random priorities, yields and pauses of up to 3 ms inside supervisors and workers. What is settled by
%% OTP's rules is not touched by it.
%%
%%   trees.erl        runs a scenario and writes down its events
%%   trees_steps.erl  takes its steps
%%   trees_nodes.erl  the supervisors and workers
%%   trees_text.erl   reasons and JSON

-module(trees).
-export([main/1, enter/4, started/4, report/2, jitter/0]).

main([File, Jobs, Disturb]) ->
    logger:set_primary_config(level, none),
    persistent_term:put(trees_disturb, list_to_existing_atom(Disturb)),
    ok = io:setopts(standard_io, [binary, {encoding, latin1}]),
    {ok, Scenarios} = file:consult(File),
    {Now, Later} = lists:split(min(list_to_integer(Jobs), length(Scenarios)), lists:enumerate(Scenarios)),
    pool(maps:from_list([start(Job) || Job <- Now]), Later, #{}, 1),
    halt(0).

%% Runs what is left to run and prints the answers in the order of their numbers; Next is due.
pool(Running, [], _, _) when map_size(Running) =:= 0 -> ok;
pool(Running, Later, Done, Next) ->
    receive
        {'DOWN', Ref, process, _, Why} when is_map_key(Ref, Running) ->
            {{Number, #{<<"name">> := Name}}, Others} = maps:take(Ref, Running),
            Answer = case Why of
                         {trace, Trace} -> #{<<"name">> => Name, <<"trace">> => Trace};
                         _ -> #{<<"name">> => Name, <<"error">> => iolist_to_binary(io_lib:format("~0p", [Why]))}
                     end,
            {Next1, Done1} = print(Next, Done#{Number => Answer}),
            case Later of
                [] -> pool(Others, [], Done1, Next1);
                [Job | Rest] ->
                    {Ref1, _} = start(Job),
                    pool(Others#{Ref1 => Job}, Rest, Done1, Next1)
            end
    end.

start(Job = {_, Scenario}) ->
    {_, Ref} = spawn_monitor(fun() -> exit({trace, run(Scenario)}) end),
    {Ref, Job}.

print(Next, Done) ->
    case maps:take(Next, Done) of
        {Answer, Rest} ->
            ok = file:write(standard_io, [trees_text:json(Answer), $\n]),
            print(Next + 1, Rest);
        error -> {Next, Done}
    end.

%%% -- one scenario
%% The tables of a scenario, all public, owned by its driver:
%%   events   {Stamp, Event}                      what the processes report
%%   known    {Pid, Path, Incarnation, Type}      every process that reached init
%%   up       {Pid}                               those whose start returned ok
%%   live     {Pid}                               those not yet seen dead
%%   latest   {Path, Pid}                         the newest process at a path
%%   attempts {Path, N}                           start attempts at a path
%%   ending   {Pid, Reason}                       terminate/2 was entered

run(Scenario) ->
    process_flag(trap_exit, true),
    Tracer = spawn_link(fun() -> tracer([]) end),
    Tables = [{Name, ets:new(Name, [ordered_set, public])}
              || Name <- [events, known, up, live, latest, attempts, ending]],
    Ctx = maps:from_list([{tracer, Tracer}, {driver, self()} | Tables]),
    erlang:trace(self(), true, [procs, set_on_spawn, strict_monotonic_timestamp, {tracer, Tracer}]),
    First = close(Ctx, 0, trees_nodes:start(Ctx, maps:get(<<"tree">>, Scenario))),
    [trees_steps:take(Ctx, #{<<"op">> => <<"link">>, <<"a">> => A, <<"b">> => B})
     || [A, B] <- maps:get(<<"links">>, Scenario, [])],
    quiet(Ctx),
    Rest = [close(Ctx, Number, trees_steps:take(Ctx, Step))
            || {Number, Step} <- lists:enumerate(maps:get(<<"steps">>, Scenario, []))],
    Alive = [[Path, Incarnation] || Pid <- alive(Ctx), {_, Path, Incarnation, _} <- ets:lookup(maps:get(known, Ctx), Pid)],
    erlang:trace(self(), false, [all]),
    [exit(Pid, kill) || Pid <- alive(Ctx)],
    exit(Tracer, kill),
    lists:append([First | Rest]) ++ [#{<<"event">> => <<"final">>, <<"alive">> => Alive}].

alive(#{live := Live}) -> [Pid || {Pid} <- ets:tab2list(Live), is_process_alive(Pid)].

%% Keeps the exits: {Stamp, {exit, Pid, Reason}}.
tracer(Exits) ->
    receive
        {trace_ts, Pid, exit, Reason, {_, Stamp}} -> tracer([{Stamp, {exit, Pid, Reason}} | Exits]);
        {take, From} -> From ! {exits, Exits}, tracer([]);
        _ -> tracer(Exits)
    end.

%% What is called by the supervisors and workers. The stamp of a report and that of a trace message come from the
%% same strictly monotonic counter: sorted by it, no effect comes before its cause.
enter(#{known := Known, live := Live}, Path, Incarnation, Type) ->
    ets:insert(Known, {self(), Path, Incarnation, Type}),
    ets:insert(Live, {self()}).

started(Ctx = #{up := Up, latest := Latest}, Path, Incarnation, Pid) ->
    ets:insert(Up, {Pid}),
    ets:insert(Latest, {Path, Pid}),
    report(Ctx, {started, Path, Incarnation}).

report(#{events := Events}, Event) ->
    ets:insert(Events, {erlang:unique_integer([monotonic]), Event}).

%% The events of a step and its result.
close(Ctx = #{events := Events, tracer := Tracer}, Number, Result) ->
    quiet(Ctx),
    Value = case Result of {later, Get} -> Get(); _ -> Result end,
    quiet(Ctx),
    Delivered = erlang:trace_delivered(all),
    receive {trace_delivered, all, Delivered} -> ok end,
    Tracer ! {take, self()},
    Exits = receive {exits, E} -> E end,
    Reports = ets:tab2list(Events),
    ets:delete_all_objects(Events),
    [Shown || {_, Event} <- lists:sort(Exits ++ Reports), Shown <- show(Ctx, Event)]
        ++ [#{<<"event">> => <<"result">>, <<"step">> => Number, <<"value">> => Value}].

show(#{up := Up, known := Known, ending := Ending}, {exit, Pid, Reason}) ->
    case ets:member(Up, Pid) andalso ets:lookup(Known, Pid) of
        [{_, Path, Incarnation, worker}] ->
            {Called, With} = case ets:lookup(Ending, Pid) of
                                 [] -> {false, null};
                                 [{_, R}] -> {true, trees_text:show(R)}
                             end,
            [(line(<<"terminated">>, Path, Incarnation, Reason))#{<<"terminate_called">> => Called, <<"terminate_reason">> => With}];
        [{_, Path, Incarnation, supervisor}] ->
            [line(<<"supervisor_exit">>, Path, Incarnation, Reason)];
        false -> []  % a start that failed or was ignored, which is reported as such; the helpers of the driver
    end;
show(_, {start_failed, Path, Incarnation, Reason}) ->
    [line(<<"start_failed">>, Path, Incarnation, Reason)];
show(#{known := Known}, {exit_received, Path, Incarnation, From, Reason}) ->
    Who = case ets:lookup(Known, From) of [{_, Other, _, _}] -> Other; [] -> <<"outside">> end,
    [(line(<<"exit_received">>, Path, Incarnation, Reason))#{<<"from">> => Who}];
show(_, {Kind, Path, Incarnation}) ->
    [#{<<"event">> => atom_to_binary(Kind), <<"path">> => Path, <<"incarnation">> => Incarnation}].

line(Kind, Path, Incarnation, Reason) ->
    #{<<"event">> => Kind, <<"path">> => Path, <<"incarnation">> => Incarnation, <<"reason">> => trees_text:show(Reason)}.

%%% -- quiescence
%% Nothing is under way when every process of the tree that is alive waits in gen_server's loop with an empty
%% mailbox, and none is linked to a dead one, whose exit signal would be on its way. Seen twice, 1 ms apart, with
%% nothing reported between.

quiet(Ctx) -> quiet(Ctx, busy, erlang:monotonic_time(millisecond) + 30000).

quiet(Ctx = #{events := Events, live := Live}, Before, Until) ->
    [ets:delete(Live, Pid) || {Pid} <- ets:tab2list(Live), not is_process_alive(Pid)],
    Pids = lists:sort(alive(Ctx)),
    Now = case lists:all(fun(Pid) -> waits(Pid, Ctx) end, Pids) of
              true -> {ets:info(Events, size), Pids};
              false -> busy
          end,
    if
        Now =:= Before, Now =/= busy -> ok;
        true ->
            erlang:monotonic_time(millisecond) > Until andalso exit(no_quiescence),
            timer:sleep(1),
            quiet(Ctx, Now, Until)
    end.

waits(Pid, #{driver := Driver}) ->
    case process_info(Pid, [status, current_function, message_queue_len, links]) of
        [{_, waiting}, {_, {gen_server, loop, 7}}, {_, 0}, {_, Links}] ->
            lists:all(fun(Linked) -> Linked =:= Driver orelse is_process_alive(Linked) end, Links);
        _ -> false
    end.

%%% -- disturbance

jitter() ->
    persistent_term:get(trees_disturb) andalso
        case rand:uniform(6) of
            1 -> erlang:yield();
            2 -> erlang:bump_reductions(rand:uniform(4000));
            3 -> timer:sleep(0);
            4 -> timer:sleep(rand:uniform(3));
            5 -> process_flag(priority, lists:nth(rand:uniform(4), [low, normal, normal, high]));
            6 -> true
        end.
