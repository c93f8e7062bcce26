%% What one callback has done so far, and shall return.
-record(turn, {from = none,     % whom a call is from
               state = 0,
               reply = none,    % none | later | {value, V}
               stop = none,     % none | ignore | {reason, R}
               then = infinity  % infinity | milliseconds of idle time | {continue, Actions}
              }).

-define(LONG, 5000).      % milliseconds; times as long as this are not waited for
-define(PATIENCE, 20000). % of a caller, unless the scenario says otherwise
