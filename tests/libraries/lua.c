/* lua.c: a Lua 5.4 script: strings, closures, coroutines, and the parts of its library that
 * ask the system: files, their errors, temporary names, time, and programs.
 *
 * package: liblua5.4-dev
 * libs: lua5.4
 * pkgconfig: lua5.4
 * settings: tmp=4M
 * expect: execute: nil
 * expect: popen: nil
 */
#include <hearth.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static const char script[] =
    "local body = ...\n"
    "local words = {}\n"
    "for w in body:gmatch('%S+') do words[#words + 1] = w:upper() end\n"
    "table.sort(words)\n"
    "print('words', #words, table.concat(words, ','))\n"
    "print('utf8', utf8.len(body), body:rep(3, '|'):reverse():len())\n"
    "local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end\n"
    "print('fib', fib(20), 7 // 2, 2 ^ 0.5, 0x7fffffffffffffff + 1 == math.mininteger)\n"
    "local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)\n"
    "print('coroutine', co(), co(), co())\n"
    "print('pcall', pcall(error, {code = 1}) == false, select(2, pcall(function() error('x', 0) "
    "end)))\n"
    "local f, why, number = io.open('/missing/file')\n"
    "print('open', f, why, number)\n"
    "local name = os.tmpname()\n"
    "print('tmpname', name:match('^/tmp/lua_') ~= nil)\n"
    "f = assert(io.open(name, 'w+'))\n"
    "f:write(body, '\\n', 42, '\\n'); f:seek('set')\n"
    "print('read', #f:read('l'), f:read('n'), f:seek('end')); f:close()\n"
    "print('remove', os.remove(name), (select(2, os.remove(name)):gsub('lua_%w+', 'lua_X')))\n"
    "f = io.tmpfile(); f:write('x'); print('tmpfile', f:seek()); f:close()\n"
    "print('date', os.date('!%Y-%m-%d %H:%M:%S', 1700000000), os.getenv('MISSING'))\n"
    "print('clock', os.clock() >= 0, os.time() > 1700000000, os.setlocale())\n"
    "print('require', (pcall(require, 'missing')))\n"
    "print('collect', collectgarbage('count') > 0, collectgarbage())\n"
    "print('execute:', (os.execute('exit 3')))\n"
    "local ok, p = pcall(io.popen, 'exit 0')\n"
    "print('popen:', ok and p and p:close() or nil)\n";

/* print: into the response. */
static int
print(lua_State *l)
{
    hearth_call *call = *(hearth_call **)lua_getextraspace(l);
    int n = lua_gettop(l), bad = 0;

    for (int i = 1; i <= n; i++) {
        bad |= hearth_printf(call, "%s%s", i > 1 ? " " : "", luaL_tolstring(l, i, NULL));
        lua_pop(l, 1);
    }
    bad |= hearth_printf(call, "\n");
    return bad != 0 ? luaL_error(l, "the client has gone") : 0;
}

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const char *body = hearth_body(call, &n);
    lua_State *l = luaL_newstate();
    int bad = 0;

    if (l == NULL)
        return 1;
    *(hearth_call **)lua_getextraspace(l) = call;
    luaL_openlibs(l);
    lua_register(l, "print", print);
    if (luaL_loadbuffer(l, script, sizeof script - 1, "=script") != LUA_OK)
        bad = hearth_printf(call, "%s\n", lua_tostring(l, -1));
    else {
        lua_pushlstring(l, body, n);
        if (lua_pcall(l, 1, 0, 0) != LUA_OK)
            bad = hearth_printf(call, "%s\n", lua_tostring(l, -1));
    }
    lua_close(l);
    return bad;
}
