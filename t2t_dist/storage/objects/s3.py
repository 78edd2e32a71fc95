"""Store of a run on S3 and compatible services: ``s3://BUCKET/PATH``.

Keys, profile, region and endpoint come from boto3's usual sources (``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``,
``AWS_REGION``, ``AWS_ENDPOINT_URL``, the machine's role ...). Region and endpoint can also be given in the address:
``s3://BUCKET/PATH?endpoint_override=HOST:PORT&scheme=http&region=NAME``. The ledger needs conditional writes
(``If-None-Match: *``), which S3 has supported since 2024, and which MinIO, Ceph and R2 support as well.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs

from t2t_dist.core.errors import InputError
from t2t_dist.core.printing import keep_secret

from .remote import RemoteStorage, StoreRefused

_OPTIONS = ("endpoint_override", "scheme", "region")
#: Statuses below 500 after which a retry may help: timeout, conflicting write, too early, too many requests.
_PASSING = {408, 409, 425, 429}
#: Seconds to connect, and to wait for the next bytes of an answer.
_CONNECT_S, _ANSWER_S = 5, 30
#: Shards larger than this are uploaded in parts of this size.
_PART = 16 << 20


class S3Storage(RemoteStorage):
    """A store in an S3 bucket; see :class:`~t2t_dist.storage.objects.base.Storage`."""

    def __init__(self, uri: str) -> None:
        """Raises InputError: no bucket, an unknown option, or boto3 is missing."""
        parts = urlsplit(uri)
        self._bucket, self._prefix = parts.netloc, unquote(parts.path).strip("/")
        self._options = dict(parse_qsl(parts.query))
        unknown = self._options.keys() - set(_OPTIONS)
        if not self._bucket or not self._prefix or "@" in self._bucket or unknown:
            raise InputError(
                f"{uri}: {'unknown option ' + ', '.join(sorted(unknown)) if unknown else 'no bucket or no path'}; "
                f"write s3://BUCKET/PATH, and after a ? only {', '.join(_OPTIONS)}"
            )
        super().__init__(f"s3://{self._bucket}/{self._prefix}")
        self._query = f"?{parts.query}" if parts.query else ""
        self._client = self._connect()

    def _connect(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise InputError(f"{self.root}: a run on S3 needs boto3: pip install 't2t-dist[s3]'") from None
        import botocore.exceptions

        self._errors = botocore.exceptions
        endpoint = self._options.get("endpoint_override")
        if endpoint:
            endpoint = f"{self._options.get('scheme', 'https')}://{endpoint}"
        try:
            session = boto3.session.Session(region_name=self._options.get("region"))
            # No retries in boto3: a hidden one could find its own first try and take it for another driver's object.
            config = Config(
                connect_timeout=_CONNECT_S,
                read_timeout=_ANSWER_S,
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            client = session.client("s3", endpoint_url=endpoint, config=config)
            if not client.meta.endpoint_url.rstrip("/").endswith(".amazonaws.com"):
                # Stores other than Amazon's can rarely be reached as BUCKET.HOST.
                path = config.merge(Config(s3={"addressing_style": "path"}))
                client = session.client("s3", endpoint_url=endpoint, config=path)
        except (self._errors.BotoCoreError, ValueError) as error:
            raise InputError(f"{self.root}: {_one_line(error)}; check the AWS settings") from None
        self._session = session
        return client

    def describe(self, name: str) -> str:
        return f"{self.root}/{name}" if name else f"{self.root}{self._query}"

    @cached_property
    def filesystem(self) -> pa.fs.FileSystem:
        settings: dict[str, Any] = {}
        credentials = self._session.get_credentials()
        if credentials is not None:
            frozen = credentials.get_frozen_credentials()
            settings |= {"access_key": frozen.access_key, "secret_key": keep_secret(frozen.secret_key)}
            settings |= {"session_token": keep_secret(frozen.token)} if frozen.token else {}
        endpoint = urlsplit(self._client.meta.endpoint_url)
        if not (endpoint.hostname or "").endswith(".amazonaws.com"):
            settings |= {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
        settings["region"] = self._client.meta.region_name
        return pa.fs.SubTreeFileSystem(f"{self._bucket}/{self._prefix}", pa.fs.S3FileSystem(**settings))

    def _of(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{name}"}

    def _put(self, name: str, data: bytes) -> None:
        self._client.put_object(**self._of(name), Body=data)

    def _put_new(self, name: str, data: bytes, again: bool) -> bool:
        try:
            self._client.put_object(**self._of(name), Body=data, IfNoneMatch="*")
        except self._errors.ClientError as error:
            if _status(error) != 412:
                raise
            # A try that got no answer may have succeeded all the same.
            return again and self._get(name) == data
        return True

    def _get(self, name: str) -> bytes | None:
        try:
            found: bytes = self._client.get_object(**self._of(name))["Body"].read()
        except self._errors.ClientError as error:
            if _code(error) not in ("NoSuchKey", "404"):
                raise
            return None
        return found

    def _size(self, name: str) -> int | None:
        try:
            return int(self._client.head_object(**self._of(name))["ContentLength"])
        except self._errors.ClientError as error:
            if _status(error) != 404:
                raise
            return None

    def _list(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}/{prefix}"
        )
        start = len(self._prefix) + 1
        return [each["Key"][start:] for page in pages for each in page.get("Contents", ())]

    def _any(self) -> bool:
        found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{self._prefix}/", MaxKeys=1)
        return bool(found.get("KeyCount"))

    def _delete(self, name: str) -> None:
        self._client.delete_object(**self._of(name))

    def _upload(self, name: str, file: BinaryIO) -> None:
        from boto3.s3.transfer import TransferConfig

        plan = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, use_threads=False)
        # upload_fileobj closes the file it is given.
        with open(file.fileno(), "rb", closefd=False) as again:
            self._client.upload_fileobj(again, **self._of(name), Config=plan)

    def clear_temporary(self) -> None:
        """Also removes the parts of unfinished uploads, which are invisible but stored and paid for."""
        super().clear_temporary()
        self._patiently("", self._abort_parts)

    def _abort_parts(self) -> None:
        try:
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=f"{self._prefix}/")
            for each in found.get("Uploads", ()):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=each["Key"], UploadId=each["UploadId"])
        except self._errors.ClientError as error:
            if _status(error) >= 500:
                raise
            # Not allowed, or not supported by this store: leftover parts cost money but do no harm.

    def _reason(self, error: Exception) -> str:
        errors = self._errors
        if isinstance(error, errors.ClientError):
            status, code = _status(error), _code(error)
            if code == "RequestTimeTooSkewed":
                return f"this machine's clock is off ({code})"  # passing: it works once the clock is corrected
            if status in (401, 403):
                raise StoreRefused(
                    f"access denied ({code}); check the keys, and that they may read, write, list and delete"
                )
            if code == "NoSuchBucket":
                raise StoreRefused(f"there is no bucket {self._bucket}; create it or name another")
            if status < 500 and status not in _PASSING:
                raise StoreRefused(f"the store refused ({status} {code})")
            return f"{status} {code}"
        if isinstance(error, errors.NoCredentialsError | errors.PartialCredentialsError | errors.ParamValidationError):
            raise StoreRefused(f"{_one_line(error)}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
        if isinstance(error, errors.BotoCoreError | OSError):
            return f"{type(error).__name__} at {self._client.meta.endpoint_url}"
        raise error


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200]
