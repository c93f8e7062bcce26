%% When a step is over: nothing is under way any more, seen twice, 1 ms apart, with nothing reported between.
-module(oracle_rest).
-export([wait/0]).
-include("oracle.hrl").

-define(LIMIT, 60000). % milliseconds

wait() -> wait(no, erlang:monotonic_time(millisecond) + ?LIMIT).

wait(Before, Until) ->
    Live = [Pid || Pid <- oracle_world:pids() ++ oracle_group:scopes(), is_process_alive(Pid)],
    Now = case no_timer_runs() andalso lists:all(fun rests/1, Live) of
              true -> {lists:sort(Live), ets:info(element(2, oracle_world:current()), size)};
              false -> no
          end,
    case Now of
        Before when Before =/= no -> ok;
        _ ->
            erlang:monotonic_time(millisecond) < Until orelse
                exit({no_rest, [{oracle_world:id(Pid), process_info(Pid, [status, current_stacktrace, messages])}
                                || Pid <- Live, not rests(Pid)]}),
            timer:sleep(1),
            wait(Now, Until)
    end.

no_timer_runs() ->
    lists:all(fun({_, Ref}) -> Left = erlang:read_timer(Ref), Left =:= false orelse Left >= ?LONG end,
              oracle_world:find({{timer, '_'}, '_'})).

rests(Pid) ->
    case process_info(Pid, [status, current_function, message_queue_len, links, monitors]) of
        [{status, waiting}, {current_function, Function}, {message_queue_len, Queued},
         {links, Links}, {monitors, Monitors}] ->
            waits(Pid, Function, Queued) andalso lists:all(fun settled/1, Links ++ [P || {process, P} <- Monitors]);
        _ -> false
    end.

waits(Pid, {gen_server, loop, _}, 0) -> not oracle_world:fact({idle, Pid}, false);
waits(_, {oracle_process, loop, 1}, 0) -> true;
waits(_, {sys, suspend_loop, _}, _) -> true;
waits(Pid, {Module, _, _}, _) ->
    oracle_world:fact({blocked, Pid}, no) =:= still
        andalso lists:member(Module, [gen, proc_lib, oracle_action]). % and not, say, for its code to be loaded

%% Whoever a process is linked to or watches: if it is dead, the signal is still on its way; if it is none of the
%% scenario's, it works for one, as the helper of gen_server:stop does.
settled(Pid) when is_pid(Pid) ->
    case process_info(Pid, status) of
        undefined -> false;
        {status, waiting} -> true;
        _ -> Pid =:= oracle_world:fact(driver)
    end;
settled(_) -> true.
