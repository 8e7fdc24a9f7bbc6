<?php
// Around what docs/frameworks/symfony.md shows: what the kernel does with a controller, one report,
// and a login of one line. Of Symfony there is HttpFoundation only. PAGE is the folder of the page's
// files.

namespace App\Repository {
    class ReportRepository
    {
        public function find(int $id): ?object
        {
            return 7 === $id ? (object) ['owner' => 'alice', 'title' => 'Q3 report', 'path' => '2026/q3.pdf'] : null;
        }
    }
}

namespace {
    require 'Symfony/Component/HttpFoundation/autoload.php';
    require getenv('PAGE').'/src/Controller/ReportController.php';

    use Symfony\Component\HttpFoundation\Request;
    use Symfony\Component\HttpFoundation\Response;
    use Symfony\Component\HttpFoundation\Session\Session;
    use Symfony\Component\HttpFoundation\Session\Storage\NativeSessionStorage;

    function answer(Request $request): Response
    {
        // as FrameworkBundle has it: PHP says nothing of caches itself
        $request->setSession($session = new Session(new NativeSessionStorage(['cache_limiter' => '0'])));
        if (preg_match('~^/reports/(\d+)$~', $request->getPathInfo(), $match)) {
            return (new App\Controller\ReportController())->show((int) $match[1], $request, new App\Repository\ReportRepository());
        }
        if ('/login' === $request->getPathInfo() && $request->query->has('user')) {
            $session->set('user', $request->query->get('user'));

            return new Response("in\n");
        }
        if ('/logout' === $request->getPathInfo()) {
            $session->invalidate();

            return new Response("out\n");
        }

        return new Response("who are you?\n");
    }

    $request = Request::createFromGlobals();
    answer($request)->prepare($request)->send();
}
