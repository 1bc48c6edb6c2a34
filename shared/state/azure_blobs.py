"""The Blobs port on Azure's blob storage."""

from __future__ import annotations

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, ContainerClient

from shared.state.azure import STORAGE_READS, code, translated, transport
from shared.state.limits import check_blob_name

CONTAINER = "tandem"
ROLE = "Storage Blob Data Contributor"


class AzureBlobs:
    """Blobs in the container `name` of the account at `url`, which is made when something is first put there."""

    def __init__(self, url: str, credential: TokenCredential, name: str = CONTAINER) -> None:
        self._container = ContainerClient(url, name, credential=credential, transport=transport(), **STORAGE_READS)

    def get(self, name: str) -> bytes | None:
        blob = self._blob(name)
        with translated("the blobs", ROLE):
            try:
                return blob.download_blob().readall()
            except ResourceNotFoundError:  # the blob or the whole container
                return None

    def put(self, name: str, content: bytes) -> None:
        blob = self._blob(name)
        with translated("the blobs", ROLE):
            try:
                blob.upload_blob(content, overwrite=True)
            except HttpResponseError as error:
                if code(error) != "ContainerNotFound":
                    raise
                self._make()
                blob.upload_blob(content, overwrite=True)

    def delete(self, name: str) -> None:
        blob = self._blob(name)
        with translated("the blobs", ROLE):
            try:
                blob.delete_blob()
            except ResourceNotFoundError:
                return

    def close(self) -> None:
        """End the connections that are kept."""
        self._container.close()

    def _blob(self, name: str) -> BlobClient:
        return self._container.get_blob_client("/".join(check_blob_name(name)))

    def _make(self) -> None:
        try:
            self._container.create_container()
        except ResourceExistsError:  # somebody else was quicker
            return
