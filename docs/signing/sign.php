#!/usr/bin/env php
<?php
// Prints a signed link: sign.php KEY_FILE PATH EXPIRES [BASENAME]

function sign_url(string $key, string $path, array $claims): string
{
    $query = http_build_query($claims, '', '&');
    $url = str_replace('%2F', '/', rawurlencode($path)) . '?' . $query;
    $code = base64_encode(hash_hmac('sha256', $url, $key, true));
    return $url . '&signature=' . rtrim(strtr($code, '+/', '-_'), '=');
}

[, $key_file, $path, $expires] = $argv;
$claims = ['expires' => $expires];
if (isset($argv[4])) {
    $claims['basename'] = $argv[4];
}
echo sign_url(rtrim(fgets(fopen($key_file, 'rb')), "\r\n"), $path, $claims), "\n";
