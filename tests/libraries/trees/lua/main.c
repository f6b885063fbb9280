/* main.c: Lua from its source tree, without its two programs, lua.c and luac.c. */
#include <hearth.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static const char script[] =
    "local body = ...\n"
    "local t = setmetatable({}, {__index = function(_, k) return k .. '?' end})\n"
    "local out = {_VERSION, t.missing, math.pow(2, 10), #body, (body:gsub('%w+', string.upper))}\n"
    "for i = 1, 5 do out[#out + 1] = string.format('%5.2f %q', i / 3, ('x'):rep(i)) end\n"
    "local f = assert(io.open(os.tmpname(), 'w')); f:write('x'); f:close()\n"
    "out[#out + 1] = select(2, io.open('/missing/file'))\n"
    "out[#out + 1] = select(2, pcall(string.rep, 'x', 1 << 40))\n"
    "local co = coroutine.wrap(function(...) local n = select('#', ...) while true do n = n + "
    "coroutine.yield(n) end end)\n"
    "co(1, 2) out[#out + 1] = co(40)\n"
    "return table.concat(out, '\\n')\n";

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const char *body = hearth_body(call, &n);
    lua_State *l = luaL_newstate();
    int bad;

    if (l == NULL)
        return 1;
    luaL_openlibs(l);
    if (luaL_loadbuffer(l, script, sizeof script - 1, "=script") == LUA_OK) {
        lua_pushlstring(l, body, n);
        (void)lua_pcall(l, 1, 1, 0);
    }
    bad = hearth_printf(call, "%s\n", lua_tostring(l, -1));
    lua_close(l);
    return bad;
}
