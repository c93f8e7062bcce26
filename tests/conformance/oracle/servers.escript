#!/usr/bin/env escript
%%! +sbwt none -kernel logger_level none

%% Runs scenarios (SCENARIOS.md) on the real Erlang/OTP, and prints one canonical trace a line:
%%
%%   escript servers.escript [--jobs N] [--jitter] FILE.jsonl ...
%%
%% --jobs: scenarios side by side, default 16. --jitter: random yields, priorities and pauses of up to 3 ms in the
%% processes. Flags of the virtual machine go through ERL_FLAGS, such as ERL_FLAGS="+S 1".

main(Argv) ->
    Here = filename:dirname(escript:script_name()),
    [load(File) || File <- lists:sort(filelib:wildcard(filename:join(Here, "*.erl")))],
    oracle_main:main(Argv).

load(File) ->
    {ok, Module, Code} = compile:file(File, [binary, report, warnings_as_errors]),
    {module, Module} = code:load_binary(Module, File, Code).
