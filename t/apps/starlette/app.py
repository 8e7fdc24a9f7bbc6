"""Starlette, or FastAPI: a response that names the file to nginx, where FileResponse would read it.

MEDIA_ROOT comes by the environment; who has the cookie user=alice may have the files.
"""
import os
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MEDIA_ROOT = os.environ["MEDIA_ROOT"]


class AcceleratedResponse(Response):
    def __init__(self, uri: str, filename: str, **how):
        super().__init__(**how)
        self.headers["X-Accel-Redirect"] = quote(uri)
        self.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"


def only_alice(request: Request):
    if request.cookies.get("user") != "alice":
        raise HTTPException(403, "not for you")


async def files(request: Request):
    only_alice(request)
    name = request.path_params["name"]
    if not os.path.isfile(os.path.join(MEDIA_ROOT, name)):
        raise HTTPException(404, "no such file")
    response = AcceleratedResponse(f"/protected/{name}", name, media_type="application/x-of-the-app")
    response.headers["Cache-Control"] = "private, max-age=60"
    response.headers["Content-Security-Policy"] = "sandbox"
    response.headers.append("Link", "</a>; rel=next")
    response.headers.append("Link", "</b>; rel=prev")
    response.set_cookie("seen", "1")
    response.set_cookie("read", "2")
    return response


async def unchecked(request: Request):
    """What a careless app does: the name as it came, there or not."""
    return Response(headers={"X-Accel-Redirect": quote("/protected/" + request.path_params["name"])})


async def archive(request: Request):
    """Where no download_rule leads: nginx's own redirect, to a location of it."""
    only_alice(request)
    name = request.path_params["name"]
    response = AcceleratedResponse(f"/_archive/{name}", f"archived {name}", media_type="text/x-of-the-app")
    response.headers["ETag"] = '"of-the-app"'
    response.headers["X-Of-The-App"] = "kept"
    response.set_cookie("seen", "1")
    return response


async def status(request: Request):
    """A status that is no 200, with a file all the same."""
    return Response("of the app" if request.path_params["code"] >= 400 else b"",
                    request.path_params["code"], {"X-Accel-Redirect": "/protected/q3.pdf"}, "text/plain")


async def headers(request: Request):
    return JSONResponse(dict(request.headers))


app = Starlette(routes=[
    Route("/files/{name:path}", files),
    Route("/unchecked/{name:path}", unchecked),
    Route("/archive/{name:path}", archive),
    Route("/status/{code:int}", status),
    Route("/headers", headers),
])
