%% The supervisors and workers of a scenario: OTP's supervisor and gen_server with what the scenario says as their
%% specifications and callbacks.

-module(trees_nodes).
-behaviour(gen_server).
-export([start/2, start_child/3, child_spec/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-record(worker, {ctx, path, incarnation, spec, casts = 0}).

%% Starts the root; returns the result of step 0.
start(Ctx, Spec) ->
    case start_child(Ctx, <<>>, Spec) of
        {ok, _} -> <<"{ok,pid}">>;
        {error, Reason} -> iolist_to_binary(["{error,", trees_text:show(Reason), $}])
    end.

%% The start function of every child, which runs in its supervisor.
start_child(Ctx = #{attempts := Attempts}, Above, Spec = #{<<"id">> := Id}) ->
    Path = <<Above/binary, Id/binary>>,
    Nth = ets:update_counter(Attempts, Path, 1, {Path, 0}),
    trees:jitter(),
    Args = {Ctx, Path, Nth, Spec},
    Answer = case type(Spec) of
                 worker -> gen_server:start_link(?MODULE, Args, []);
                 supervisor -> supervisor:start_link(?MODULE, Args)
             end,
    case Answer of
        {ok, Pid} -> trees:started(Ctx, Path, Nth, Pid);
        ignore -> trees:report(Ctx, {ignored, Path, Nth});
        {error, Reason} -> trees:report(Ctx, {start_failed, Path, Nth, Reason})
    end,
    trees:jitter(),
    Answer.

type(#{<<"type">> := Type}) -> binary_to_atom(Type);
type(#{<<"children">> := _}) -> supervisor;
type(_) -> worker.

%% The specification of a child of the supervisor at Path: what the scenario does not say is OTP's default.
child_spec(Ctx, Path, Spec = #{<<"id">> := Id}) ->
    Given = given([<<"restart">>, <<"significant">>, <<"shutdown">>], Spec),
    Given#{id => Id, start => {?MODULE, start_child, [Ctx, <<Path/binary, "/">>, Spec]}, type => type(Spec)}.

given(Keys, Spec) ->
    maps:from_list([{binary_to_atom(Key), if is_binary(Value) -> binary_to_atom(Value); true -> Value end}
                    || {Key, Value} <- maps:to_list(maps:with(Keys, Spec))]).

init({Ctx, Path, Nth, Spec}) ->
    trees:enter(Ctx, Path, Nth, type(Spec)),
    trees:jitter(),
    case type(Spec) of
        supervisor ->
            Flags = given([<<"strategy">>, <<"intensity">>, <<"period">>, <<"auto_shutdown">>], Spec),
            {ok, {Flags, [child_spec(Ctx, Path, Child) || Child <- maps:get(<<"children">>, Spec, [])]}};
        worker ->
            process_flag(trap_exit, maps:get(<<"trap_exit">>, Spec, false)),
            case outcome(maps:get(<<"init">>, Spec, <<"ok">>), Nth) of
                ok -> {ok, #worker{ctx = Ctx, path = Path, incarnation = Nth, spec = Spec}};
                Other -> Other
            end
    end.

%% What init does at the Nth start attempt at this path.
outcome(<<"ok">>, _) -> ok;
outcome(<<"ignore">>, _) -> ignore;
outcome(#{<<"fail">> := R}, _) -> {stop, trees_text:reason(R)};
outcome(#{<<"crash">> := R}, _) -> error(trees_text:reason(R));
outcome(#{<<"exit">> := R}, _) -> exit(trees_text:reason(R));
outcome(How = #{<<"fail_first_n">> := N}, Nth) -> fail(Nth =< N, How);
outcome(How = #{<<"fail_after_n_starts">> := N}, Nth) -> fail(Nth > N, How);
outcome(How = #{<<"fail_on">> := Attempts}, Nth) -> fail(lists:member(Nth, Attempts), How);
outcome(How = #{<<"crash_on">> := Attempts}, Nth) ->
    lists:member(Nth, Attempts) andalso error(init_reason(How)),
    ok;
outcome(#{<<"ignore_on">> := Attempts}, Nth) ->
    case lists:member(Nth, Attempts) of true -> ignore; false -> ok end.

fail(true, How) -> {stop, init_reason(How)};
fail(false, _) -> ok.

init_reason(How) -> trees_text:reason(maps:get(<<"reason">>, How, <<"init_failed">>)).

handle_call({do, {stop, Reason}}, _, State) ->
    trees:jitter(),
    {stop, Reason, <<"stopped">>, State};
handle_call({do, {peer, Pid, What}}, _, State) ->
    {reply, gen_server:call(Pid, {do, What}, infinity), State};
handle_call({do, get}, _, State = #worker{incarnation = Incarnation, casts = Casts}) ->
    {reply, #{<<"incarnation">> => Incarnation, <<"casts">> => Casts}, State};
handle_call({do, {link, Peer}}, _, State) ->
    link(Peer),
    {reply, <<"ok">>, State};
handle_call({do, {unlink, Peer}}, _, State) ->
    unlink(Peer),
    {reply, <<"ok">>, State};
handle_call({do, What}, _, State) -> act(What, State).

handle_cast({do, What}, State) -> act(What, State).

handle_info({do, What}, State) -> act(What, State);
handle_info({'EXIT', From, Reason}, State = #worker{ctx = Ctx, path = Path, incarnation = Incarnation}) ->
    trees:report(Ctx, {exit_received, Path, Incarnation, From, Reason}),
    {noreply, State}.

act(add, State = #worker{casts = Casts}) -> {noreply, State#worker{casts = Casts + 1}};
act({stop, Reason}, State) -> trees:jitter(), {stop, Reason, State};
act({raise, Reason}, _) -> trees:jitter(), exit(Reason);
act({crash, Reason}, _) -> trees:jitter(), error(Reason).

terminate(Reason, #worker{ctx = #{ending := Ending}, spec = Spec}) ->
    ets:insert(Ending, {self(), Reason}),
    trees:jitter(),
    case maps:get(<<"terminate">>, Spec, <<"ok">>) of
        <<"ok">> -> ok;
        #{<<"sleep_ms">> := Ms} -> timer:sleep(Ms);
        #{<<"crash">> := R} -> error(trees_text:reason(R));
        #{<<"exit">> := R} -> exit(trees_text:reason(R))
    end.
