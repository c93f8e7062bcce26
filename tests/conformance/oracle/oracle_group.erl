%% Process groups (pg). Each scenario has scopes of its own; the driver starts them, so that they outlive its processes.
-module(oracle_group).
-export([do/2, scopes/0, start/1]).

do(join, [Group, Ids | In]) -> asked(fun() -> pg:join(scope(In), Group, pids(Ids)) end);
do(leave, [Group, Ids | In]) -> asked(fun() -> pg:leave(scope(In), Group, pids(Ids)) end);
do(members, [Group | In]) -> ids(pg:get_members(scope(In), Group));
do(which_groups, In) -> lists:sort(pg:which_groups(scope(In)));
do(monitor_group, [Name, Group | In]) ->
    {Ref, Pids} = pg:monitor(scope(In), Group),
    watching(Name, Ref, In),
    ids(Pids);
do(monitor_scope, [Name | In]) ->
    {Ref, Groups} = pg:monitor_scope(scope(In)),
    watching(Name, Ref, In),
    maps:map(fun(_, Pids) -> ids(Pids) end, Groups);
do(demonitor_group, [Name]) ->
    {Ref, Scope} = oracle_world:fact({watching, Name}),
    atom_to_binary(pg:demonitor(Scope, Ref)).

watching(Name, Ref, In) ->
    oracle_world:set({name, Ref}, Name),
    oracle_world:set({watching, Name}, {Ref, scope(In)}).

asked(F) -> try F() catch exit:R -> oracle_text:exited(R) end.

scope([]) -> scope([<<"pg">>]);
scope([Name]) -> oracle_world:atom(Name).

pids(Ids) when is_list(Ids) -> [oracle_world:target(Id) || Id <- Ids];
pids(Id) -> oracle_world:target(Id).

ids(Pids) -> lists:sort([oracle_world:id(Pid) || Pid <- Pids]).

%% A scope for the scenario, linked to its driver.
start(Name) ->
    {ok, Pid} = pg:start_link(scope([Name])),
    oracle_world:set({scope, Name}, Pid).

scopes() -> [Pid || {{scope, _}, Pid} <- oracle_world:find({{scope, '_'}, '_'})].
