"""What an app tells nginx's download module: which file a client may have, and how it is sent.

The parts are modules of their own, none of which needs anything but Python, save ``django``:

===============  ===================================================
``grants``       grants: the app's answer "this file, described so"
``django``       grants from Django, and from django-downloadview
``wsgi``         grants from any other WSGI app
``asgi``         grants from any other ASGI app
``descriptors``  files without a path, passed to nginx open
``uvicorn``      how uvicorn lets the app do so
``testing``      ``assert_grant`` for the app's tests
``signing``      signed links
``revoke``       taking remembered decisions back
``health``       does a download work, in production?
===============  ===================================================
"""

from nginx_download.grants import MAX_SIZE, MEDIA_TYPE, Grant, GrantError, GrantTooLarge

__all__ = ["MAX_SIZE", "MEDIA_TYPE", "Grant", "GrantError", "GrantTooLarge"]
