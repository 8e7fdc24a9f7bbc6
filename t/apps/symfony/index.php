<?php
// Symfony's BinaryFileResponse. Which header names the file, nginx says: X-Sendfile-Type.
//
// MEDIA_ROOT comes by the environment; who has the cookie user=alice may have the files.

require 'Symfony/Component/HttpFoundation/autoload.php';

use Symfony\Component\HttpFoundation\BinaryFileResponse;
use Symfony\Component\HttpFoundation\Cookie;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

BinaryFileResponse::trustXSendfileTypeHeader();

function answer(Request $request): Response
{
    [, $kind, $name] = explode('/', rawurldecode($request->getPathInfo()), 3) + ['', '', ''];
    $path = getenv('MEDIA_ROOT') . '/' . $name;

    if ('headers' === $kind) {
        return new JsonResponse(array_map(fn ($values) => $values[0], $request->headers->all()));
    }
    if ('alice' !== $request->cookies->get('user')) {
        return new Response('not for you', 403, ['Content-Type' => 'text/plain']);
    }
    if (!is_file($path)) {
        return new Response('no such file', 404, ['Content-Type' => 'text/plain']);
    }

    $response = new BinaryFileResponse($path, 200, ['X-Of-The-App' => 'kept'], false, 'attachment', true);
    if ('named' === $kind) {
        $response->setContentDisposition('inline', 'Größe "7".txt', 'Size 7.txt');
    }
    $response->setMaxAge(60);
    $response->headers->setCookie(Cookie::create('seen', '1'));
    $response->headers->setCookie(Cookie::create('read', '2'));
    $response->isNotModified($request);

    return $response;
}

$request = Request::createFromGlobals();
answer($request)->prepare($request)->send();
