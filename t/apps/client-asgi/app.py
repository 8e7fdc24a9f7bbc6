"""Starlette with nginx_download.asgi. Who has the cookie user=alice may have the files."""
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from nginx_download import Grant
from nginx_download.asgi import grant_response


async def files(request):
    if request.cookies.get("user") != "alice":
        raise HTTPException(403, "not for you")
    grant = Grant({"storage": "media", "path": request.path_params["name"]}, headers={"X-Of-The-App": "kept"})
    return grant_response(grant, headers=[("Set-Cookie", "seen=1")])


app = Starlette(routes=[Route("/files/{name:path}", files)])
