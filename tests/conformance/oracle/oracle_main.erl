%% The command line: many scenarios side by side, their traces in the order of the input.
-module(oracle_main).
-export([main/1]).

main(Argv) ->
    {Files, Jobs, Jitter} = options(Argv, {[], 16, false}),
    logger:set_primary_config(level, none),
    persistent_term:put(jitter, Jitter),
    ok = code:ensure_modules_loaded([gen, gen_server, proc_lib, sys, pg]),
    ok = io:setopts(standard_io, [binary, {encoding, latin1}]),
    Lines = lists:append([lines(File) || File <- lists:reverse(Files)]),
    Todo = lists:zip(lists:seq(1, length(Lines)), Lines),
    {Now, Later} = lists:split(min(Jobs, length(Todo)), Todo),
    Failed = pool(maps:from_list([begin_one(Job) || Job <- Now]), Later, #{}, 1, 0),
    halt(min(Failed, 1)).

options(["--jobs", N | Rest], {Files, _, Jitter}) -> options(Rest, {Files, list_to_integer(N), Jitter});
options(["--jitter" | Rest], {Files, Jobs, _}) -> options(Rest, {Files, Jobs, true});
options([[$- | _] = Unknown | _], _) -> usage("unknown option " ++ Unknown);
options([File | Rest], {Files, Jobs, Jitter}) -> options(Rest, {[File | Files], Jobs, Jitter});
options([], {[], _, _}) -> usage("no file given");
options([], Options) -> Options.

usage(Problem) ->
    io:format(standard_error, "~s~nusage: servers.escript [--jobs N] [--jitter] FILE.jsonl ...~n", [Problem]),
    halt(2).

lines(File) ->
    {ok, Text} = file:read_file(File),
    [Line || Line <- binary:split(Text, <<"\n">>, [global]), string:trim(Line) =/= <<>>].

%% Each scenario has a driver process of its own, whose exit reason is the trace.
begin_one(Job = {Number, Line}) ->
    {_, Ref} = spawn_monitor(fun() -> exit({trace, oracle_scenario:run(Number, oracle_json:decode(Line))}) end),
    {Ref, Job}.

pool(Running, [], _Done, _Next, Failed) when map_size(Running) =:= 0 -> Failed;
pool(Running, Later, Done, Next, Failed) ->
    receive
        {'DOWN', Ref, process, _, Why} when is_map_key(Ref, Running) ->
            {{Number, Line}, Others} = maps:take(Ref, Running),
            {Answer, Bad} =
                case Why of
                    {trace, Trace} -> {Trace, 0};
                    _ -> {failure(Line, Why), 1}
                end,
            {StillRunning, StillLater} =
                case Later of
                    [] -> {Others, []};
                    [Job | Rest] -> {Key, Value} = begin_one(Job), {Others#{Key => Value}, Rest}
                end,
            {Left, Printed} = print(Done#{Number => oracle_json:encode(Answer)}, Next),
            pool(StillRunning, StillLater, Left, Printed, Failed + Bad)
    end.

failure(Line, Why) ->
    Name = try maps:get(<<"name">>, oracle_json:decode(Line)) catch _:_ -> <<"?">> end,
    #{<<"name">> => Name, <<"error">> => iolist_to_binary(io_lib:format("~0p", [Why]))}.

print(Done, Next) ->
    case maps:take(Next, Done) of
        {Line, Left} -> ok = file:write(standard_io, [Line, $\n]), print(Left, Next + 1);
        error -> {Done, Next}
    end.
