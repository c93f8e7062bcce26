%% The processes of a scenario: gen_servers, and plain ones with a receive loop, which do what actions tell them.
-module(oracle_process).
-behaviour(gen_server).
-export([start/2, loop/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, handle_continue/2, terminate/2]).
-include("oracle.hrl").

%% How is start, start_link or {monitor, N}; the answer is that of gen_server:start, ok for a plain process.
start(Id, How) when is_binary(Id) -> start(#{<<"id">> => Id}, How);
start(Spec = #{<<"id">> := Id, <<"kind">> := <<"plain">>}, How) ->
    World = oracle_world:current(),
    Main = fun() -> ready(World, Spec), loop(Spec) end,
    case How of
        start -> oracle_world:hello(Id, spawn(Main));
        start_link -> oracle_world:hello(Id, spawn_link(Main));
        {monitor, Name} ->
            {Pid, Ref} = spawn_monitor(Main),
            oracle_world:set({name, Ref}, Name),
            oracle_world:set({monitor, Name}, Ref),
            oracle_world:hello(Id, Pid)
    end;
start(Spec, How) ->
    Timeout = maps:get(<<"timeout">>, Spec, infinity),
    Arguments = [?MODULE, {oracle_world:current(), Spec}, [{timeout, Timeout}]],
    Named = case Spec of
                #{<<"name">> := Name} -> [{local, oracle_world:atom(Name)} | Arguments];
                _ -> Arguments
            end,
    case oracle_action:blocked(Timeout, fun() -> apply(gen_server, How, Named) end) of
        {ok, _} -> ok;
        Other -> Other
    end.

ready(World, Spec = #{<<"id">> := Id}) ->
    oracle_world:enter(World),
    oracle_world:hello(Id),
    put(spec, Spec),
    process_flag(trap_exit, maps:get(<<"trap_exit">>, Spec, false)),
    oracle_world:jitter().

%%% ------------------------------------------------------- plain processes

loop(Spec) ->
    receive
        {do, Actions} ->
            case oracle_action:perform(Actions, #turn{}) of
                #turn{stop = none} -> loop(Spec);
                _ -> done
            end;
        Message ->
            received(Message),
            loop(Spec)
    end.

%%% --------------------------------------------------------------- servers
%% Their state is a number. A callback does its actions, which leave in the turn what it shall return.

init({World, Spec}) ->
    ready(World, Spec),
    Turn = oracle_action:perform(maps:get(<<"init">>, Spec, []), #turn{state = 0}),
    case Turn of
        #turn{stop = ignore} -> ignore;
        #turn{stop = {reason, R}} -> {stop, R};
        #turn{then = infinity} -> {ok, Turn#turn.state};
        #turn{then = Then} -> {ok, Turn#turn.state, Then}
    end.

handle_call({do, Actions}, From, State) ->
    case callback(Actions, #turn{from = From, state = State}) of
        #turn{stop = {reason, R}, reply = {value, V}, state = S} -> {stop, R, V, S};
        #turn{stop = {reason, R}, state = S} -> {stop, R, S};
        #turn{reply = later, state = S, then = Then} -> {noreply, S, Then};
        #turn{reply = none, state = S, then = Then} -> {reply, <<"ok">>, S, Then};
        #turn{reply = {value, V}, state = S, then = Then} -> {reply, V, S, Then}
    end.

handle_cast({do, Actions}, State) -> no_reply(Actions, State).

handle_info({do, Actions}, State) -> no_reply(Actions, State);
handle_info(Message, State) ->
    received(Message),
    no_reply(maps:get(<<"info">>, get(spec), []), State).

handle_continue(Actions, State) -> no_reply(Actions, State).

terminate(Reason, State) ->
    oracle_world:note([<<"terminate">>, oracle_text:show(Reason)]),
    callback(maps:get(<<"terminate">>, get(spec), []), #turn{state = State}).

no_reply(Actions, State) ->
    case callback(Actions, #turn{state = State}) of
        #turn{stop = {reason, R}, state = S} -> {stop, R, S};
        #turn{state = S, then = Then} -> {noreply, S, Then}
    end.

callback(Actions, Turn) ->
    oracle_world:drop({idle, self()}),
    oracle_world:jitter(),
    oracle_action:perform(Actions, Turn).

%%% -------------------------------------------------------------- messages

received(Message) -> oracle_world:note(shown(Message)).

shown(timeout) -> [<<"idle">>];
shown({'EXIT', Pid, Reason}) -> [<<"exit">>, oracle_world:id(Pid), oracle_text:show(Reason)];
shown({'DOWN', Ref, process, Object, Reason}) -> [<<"down">>, name(Ref), object(Object), oracle_text:show(Reason)];
shown({timeout, Ref, Text}) -> [<<"timer">>, name(Ref), Text];
shown({Ref, Change, Group, Pids}) when Change =:= join; Change =:= leave ->
    Word = case Change of join -> <<"joined">>; leave -> <<"left">> end,
    [Word, name(Ref), Group, lists:sort([oracle_world:id(Pid) || Pid <- Pids])];
shown(Text) when is_binary(Text) -> [<<"got">>, Text];
shown({Tag, Value}) when is_reference(hd(Tag)); is_reference(tl(Tag)); is_reference(Tag) -> [<<"stray">>, Value].

name(Ref) -> oracle_world:fact({name, Ref}).

object({Name, _Node}) -> oracle_world:plain_name(Name);
object(Pid) -> oracle_world:id(Pid).
