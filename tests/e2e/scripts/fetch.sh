# libcurl against nginx, over TLS too.
ports=$(python3 -c 'import socket
s = [socket.socket() for _ in range(2)]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
set -- $ports
plain=$1 tls=$2
mkdir -p n/www && echo "from nginx" >n/www/index.html && chmod 755 n n/www
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout n/key -out n/cert 2>/dev/null
cat >n/conf <<EOF
user root; pid $D/n/pid; error_log $D/n/errors; worker_processes 1;
events { worker_connections 64; }
http { access_log $D/n/access; client_body_temp_path $D/n/b; proxy_temp_path $D/n/p; fastcgi_temp_path $D/n/f;
  uwsgi_temp_path $D/n/u; scgi_temp_path $D/n/s;
  log_format c '\$connection';
  server { listen 127.0.0.1:$plain; root $D/n/www; location /away { return 302 http://localhost:1/; } }
  server { listen 127.0.0.1:$tls ssl; ssl_certificate $D/n/cert; ssl_certificate_key $D/n/key; root $D/n/www;
    access_log $D/n/connections c; } }
EOF
nginx -c $D/n/conf -e $D/n/errors
trap 'kill $(cat $D/n/pid)' EXIT
h deploy $HEARTH_EXAMPLES/fetch.c --name fetch --libs curl --max 1 --network localhost:$plain \
  --env "{\"URL\": \"http://localhost:$plain/\"}"
[ "$(h call fetch)" = "from nginx" ]
python3 -c "import json, sys; print(json.dumps({'URL': 'https://localhost:$tls/', 'CA': open('n/cert').read()}))" >env
h deploy $HEARTH_EXAMPLES/fetch.c --name fetch-tls --libs curl --max 1 --network localhost:$tls --env "$(cat env)"
for i in 1 2 3 4 5; do [ "$(h call fetch-tls)" = "from nginx" ]; done
[ "$(sort -u n/connections | wc -l)" = 1 ]
# a redirect of the server to a port that is not listed
printf '#include <curl/curl.h>\n#include <hearth.h>\nint hearth_handle(hearth_call *c) { CURL *u = curl_easy_init();
curl_easy_setopt(u, CURLOPT_URL, "http://localhost:%d/away"); curl_easy_setopt(u, CURLOPT_FOLLOWLOCATION, 1L);
curl_easy_setopt(u, CURLOPT_NOSIGNAL, 1L);
int r = curl_easy_perform(u); long e = 0; curl_easy_getinfo(u, CURLINFO_OS_ERRNO, &e); curl_easy_cleanup(u);
return hearth_printf(c, "%%d %%ld\\n", r, e); }\n' $plain >away.c
h deploy away.c --libs curl --network localhost:$plain
[ "$(h call away)" = "7 13" ]
h logs away | grep 'refused with EACCES'
