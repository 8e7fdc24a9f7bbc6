"""Starlette that passes open files to nginx. Who has the cookie user=alice may have them."""
import os

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from nginx_download.asgi import grant


def only_alice(request):
    if request.cookies.get("user") != "alice":
        raise HTTPException(403, "not for you")


async def made(request):
    only_alice(request)
    return grant(
        content=(f"line {line}\n" for line in range(request.path_params["number"])),
        basename="made.txt",
        etag='"v1"',
        headers={"X-Of-The-App": "kept"},
        answer_headers=[("Set-Cookie", "seen=1")],
    )


async def private(request):
    only_alice(request)
    name = request.path_params["name"]
    with open(os.path.join(os.environ["MEDIA_ROOT"], "../private", name), "rb") as file:
        return grant(fd=file, basename=name)


async def page(request):
    only_alice(request)
    return PlainTextResponse("a page")


app = Starlette(routes=[
    Route("/files/made/{number:int}", made),
    Route("/files/private/{name}", private),
    Route("/page", page),
])
