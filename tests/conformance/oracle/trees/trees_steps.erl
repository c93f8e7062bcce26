%% The steps of a scenario. What a step returns is its result, or {later, Get}: Get returns the result when all is
%% quiet.

-module(trees_steps).
-export([take/2]).

take(Ctx, Step = #{<<"op">> := Op}) -> op(Op, Step, Ctx).

op(<<"wait">>, #{<<"ms">> := Ms}, _) ->
    timer:sleep(Ms),
    <<"ok">>;
op(<<"parent_exit">>, Step, Ctx) ->
    with(Ctx, <<"root">>, fun(Root) -> exit(Root, reason(Step)), <<"ok">> end);
op(<<"kill">>, #{<<"target">> := Path}, Ctx) ->
    with(Ctx, Path, fun(Pid) -> signal(Pid, kill) end);
op(<<"exit_signal">>, Step = #{<<"target">> := Path}, Ctx) ->
    with(Ctx, Path, fun(Pid) -> signal(Pid, reason(Step)) end);
op(<<"stop">>, Step, Ctx) ->
    with(Ctx, maps:get(<<"target">>, Step, <<"root">>), fun(Pid) -> stop(Pid, reason(Step)) end);
op(<<"crash">>, Step, Ctx) ->
    tell(Ctx, Step, {crash, reason(Step)}, maps:get(<<"via">>, Step, <<"cast">>));
op(<<"exit">>, Step, Ctx) ->
    case maps:get(<<"how">>, Step, <<"stop">>) of
        <<"stop">> -> tell(Ctx, Step, {stop, reason(Step)}, <<"cast">>);
        <<"raise">> -> tell(Ctx, Step, {raise, reason(Step)}, <<"cast">>);
        <<"reply">> -> tell(Ctx, Step, {stop, reason(Step)}, <<"call">>)
    end;
op(<<"call">>, Step, Ctx) -> tell(Ctx, Step, get, <<"call">>);
op(<<"cast">>, Step, Ctx) -> tell(Ctx, Step, add, <<"cast">>);
op(<<"call_via">>, Step = #{<<"from">> := From, <<"to">> := To}, Ctx = #{latest := Latest}) ->
    What = case maps:get(<<"do">>, Step, <<"get">>) of
               <<"get">> -> get;
               #{<<"crash">> := R} -> {crash, trees_text:reason(R)};
               #{<<"exit">> := R} -> {raise, trees_text:reason(R)}
           end,
    case ets:lookup(Latest, To) of
        [{_, Callee}] -> tell(Ctx, #{<<"target">> => From}, {peer, Callee, What}, <<"call">>);
        [] -> <<"noproc">>
    end;
op(<<"link">>, Step, Ctx) -> tie(Ctx, Step, link);
op(<<"unlink">>, Step, Ctx) -> tie(Ctx, Step, unlink);
op(<<"held">>, #{<<"sup">> := Path, <<"ops">> := Ops}, Ctx) ->
    with(Ctx, Path, fun(Sup) -> held(Ctx, Sup, Ops) end);
op(_, Step = #{<<"sup">> := Path}, Ctx) ->
    with(Ctx, Path, fun(Sup) -> ask(Ctx, Sup, Step) end).

reason(Step) -> trees_text:reason(maps:get(<<"reason">>, Step, <<"normal">>)).

%% Does this with the process at the path if it is alive.
with(#{latest := Latest}, Path, Do) ->
    case ets:lookup(Latest, Path) of
        [{_, Pid}] -> case is_process_alive(Pid) of true -> Do(Pid); false -> <<"noproc">> end;
        [] -> <<"noproc">>
    end.

%% An exit signal from a process that is neither parent nor linked.
signal(Pid, Reason) ->
    {_, Ref} = spawn_monitor(fun() -> exit(Pid, Reason) end),
    receive {'DOWN', Ref, _, _, _} -> <<"ok">> end.

stop(Pid, Reason) ->
    try gen_server:stop(Pid, Reason, infinity) of
        ok -> <<"ok">>
    catch
        exit:{Other, {sys, terminate, _}} -> trees_text:exited(Other);
        exit:Other -> trees_text:exited(Other)
    end.

tell(Ctx, #{<<"target">> := Path}, What, Via) ->
    with(Ctx, Path, fun(Pid) -> tell(Pid, {do, What}, Via) end).

tell(Pid, Message, <<"cast">>) -> gen_server:cast(Pid, Message), <<"ok">>;
tell(Pid, Message, <<"info">>) -> Pid ! Message, <<"ok">>;
tell(Pid, Message, <<"call">>) -> or_exited(fun() -> gen_server:call(Pid, Message, infinity) end).

or_exited(Call) ->
    try Call()
    catch exit:{Reason, {gen_server, call, _}} -> trees_text:exited(Reason)
    end.

tie(Ctx, #{<<"a">> := A, <<"b">> := B}, How) ->
    with(Ctx, A, fun(One) -> with(Ctx, B, fun(Other) -> gen_server:call(One, {do, {How, Other}}) end) end).

%% A call to a supervisor; the child of start_child starts below the path of the step.
ask(Ctx, Sup, Step) -> or_exited(fun() -> answer(asked(Ctx, Sup, Step)) end).

asked(_, Sup, #{<<"op">> := <<"terminate_child">>, <<"id">> := Id}) -> supervisor:terminate_child(Sup, Id);
asked(_, Sup, #{<<"op">> := <<"delete_child">>, <<"id">> := Id}) -> supervisor:delete_child(Sup, Id);
asked(_, Sup, #{<<"op">> := <<"restart_child">>, <<"id">> := Id}) -> supervisor:restart_child(Sup, Id);
asked(Ctx, Sup, #{<<"op">> := <<"start_child">>, <<"sup">> := Path, <<"spec">> := Spec}) ->
    supervisor:start_child(Sup, trees_nodes:child_spec(Ctx, Path, Spec));
asked(_, Sup, #{<<"op">> := <<"which_children">>}) ->
    [#{<<"id">> => Id, <<"type">> => Type, <<"child">> => if is_pid(Child) -> pid; true -> Child end}
     || {Id, Child, Type, _} <- supervisor:which_children(Sup)];
asked(_, Sup, #{<<"op">> := <<"count_children">>}) ->
    maps:from_list([{atom_to_binary(Key), N} || {Key, N} <- supervisor:count_children(Sup)]).

answer(ok) -> <<"ok">>;
answer({ok, undefined}) -> <<"{ok,undefined}">>;
answer({ok, _}) -> <<"{ok,pid}">>;
answer({error, {already_started, _}}) -> <<"{error,already_started}">>;
answer({error, Reason}) -> iolist_to_binary(["{error,", trees_text:show(Reason), $}]);
answer(Other) -> Other.

%% The supervisor takes no message while the ops run; then it takes what they left in its mailbox.
held(Ctx, Sup, Ops) ->
    ok = sys:suspend(Sup),
    Results = [held_op(Ctx, Sup, Op) || Op <- Ops],
    ok = sys:resume(Sup),
    {later, fun() -> [case Result of {asked, Ref} -> receive {Ref, Value} -> Value end; _ -> Result end
                      || Result <- Results] end}.

held_op(Ctx, Sup, Op = #{<<"target">> := Path}) ->
    with(Ctx, Path, fun(Pid) ->
                            Result = take(Ctx, Op),
                            until(fun() ->
                                          {messages, Messages} = process_info(Sup, messages),
                                          [exit || {'EXIT', From, _} <- Messages, From =:= Pid] =/= []
                                  end),
                            Result
                    end);
held_op(Ctx, Sup, Op) ->
    Me = self(),
    Ref = make_ref(),
    Before = process_info(Sup, message_queue_len),
    spawn(fun() -> Me ! {Ref, ask(Ctx, Sup, Op)} end),
    until(fun() -> process_info(Sup, message_queue_len) =/= Before end),
    {asked, Ref}.

until(Holds) -> until(Holds, 20000).

until(_, 0) -> exit(held_op_had_no_effect);
until(Holds, Left) -> Holds() orelse begin timer:sleep(1), until(Holds, Left - 1) end.
